import type { Namespace, ObjectMeta } from '../../../shared/generated/types.ts';
import { nodeLeaseNamespace } from '../../../shared/well-known.ts';
import { forbidden } from '../requests/refusals.ts';
import type { AdmissionPlugin } from './plugin.ts';

/** Namespaces that may not be deleted: those of Kubernetes' NamespaceLifecycle, and the one that nodes live by. */
const immortal: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public', nodeLeaseNamespace]);

/** Holds a namespace until its content has been deleted. */
const namespaceFinalizer = 'kubernetes';

/** What a namespace is born with, and which may not die. That one which is being deleted takes nothing new is the create's own guard. */
export const namespaces: AdmissionPlugin = {
  name: 'NamespaceLifecycle',
  rules: [{ verbs: ['create', 'delete'], kinds: ['Namespace'] }],
  mutate(_request, object) {
    const namespace = object as Namespace;
    const finalizers = namespace.spec?.finalizers ?? [];
    if (!finalizers.includes(namespaceFinalizer)) finalizers.push(namespaceFinalizer);
    namespace.spec = { ...namespace.spec, finalizers };
    if (namespace.metadata.name) labelByName(namespace.metadata);
  },
  validate({ verb, entry, name }) {
    if (verb === 'delete' && immortal.has(name)) throw forbidden(entry, name, 'this namespace may not be deleted');
  },
};

/** By this label others select a namespace of that name. Changes the metadata. */
export function labelByName(metadata: ObjectMeta): void {
  metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name };
}
