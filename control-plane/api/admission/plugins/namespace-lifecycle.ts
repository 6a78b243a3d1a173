import { systemNamespaces } from '../../boot.ts';
import { forbidden } from '../../requests/refusals.ts';
import type { AdmissionPlugin } from '../plugin.ts';

/** Namespaces that may not be deleted: those of Kubernetes' NamespaceLifecycle, and that of the nodes' leases. */
const immortal: ReadonlySet<string> = new Set(systemNamespaces);

/** Refuses to delete the namespaces that the cluster needs. (A create checks by itself that its namespace is not being deleted.) */
export const namespaceLifecycle: AdmissionPlugin = {
  name: 'NamespaceLifecycle',
  rules: [{ verbs: ['delete'], kinds: ['Namespace'] }],
  validate({ verb, entry, name }) {
    if (verb === 'delete' && immortal.has(name)) throw forbidden(entry, name, 'this namespace may not be deleted');
  },
};
