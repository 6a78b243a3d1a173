import type { Namespace, Pod } from '../../shared/generated/types.ts';
import type { KindEntry } from '../../shared/kinds/table.ts';
import type { KubeObject } from '../../shared/object.ts';
import { nodeLeaseNamespace } from '../../shared/well-known.ts';
import { forbidden } from './refusals.ts';

/** The priorities that exist without a PriorityClass object (Kubernetes' `scheduling` API, system classes). */
const systemPriorities: Readonly<Record<string, number>> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
};

/** Namespaces that may not be deleted: those of Kubernetes' NamespaceLifecycle, and the one that nodes live by. */
const immortal: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public', nodeLeaseNamespace]);

/** Holds a namespace until its content has been deleted. */
const namespaceFinalizer = 'kubernetes';

/** Fills in what the cluster decides about a new object. Changes the draft. Throws Forbidden. */
export function admitCreate(entry: KindEntry, object: KubeObject): void {
  if (entry.kind === 'Pod') admitPod(entry, object as Pod);
  if (entry.kind === 'Namespace') admitNamespace(object as Namespace);
}

export function admitDelete(entry: KindEntry, name: string): void {
  if (entry.kind === 'Namespace' && immortal.has(name)) {
    throw forbidden(entry, name, 'this namespace may not be deleted');
  }
}

function admitNamespace(namespace: Namespace): void {
  const finalizers = namespace.spec?.finalizers ?? [];
  if (!finalizers.includes(namespaceFinalizer)) finalizers.push(namespaceFinalizer);
  namespace.spec = { ...namespace.spec, finalizers };
  const { metadata } = namespace;
  metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name };
}

function admitPod(entry: KindEntry, pod: Pod): void {
  const spec = pod.spec;
  if (!spec || typeof spec !== 'object') return;
  spec.serviceAccountName ||= spec.serviceAccount || 'default';
  spec.serviceAccount = spec.serviceAccountName;
  const className = spec.priorityClassName;
  const priority = className ? systemPriorities[className] : 0;
  if (priority === undefined) {
    throw forbidden(entry, pod.metadata.name, `no PriorityClass with name ${className} was found`);
  }
  if (spec.priority !== undefined && spec.priority !== priority) {
    throw forbidden(
      entry,
      pod.metadata.name,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`,
    );
  }
  spec.priority = priority;
  spec.preemptionPolicy ??= 'PreemptLowerPriority';
}
