import type { PersistentVolumeClaim, Pod, ResourceQuota, Service } from '../generated/types.ts';
import type { KindEntry } from '../kinds/table.ts';
import type { KubeObject } from '../object.ts';
import { compareQuantities } from '../quantity.ts';
import type { Amounts } from './amounts.ts';
import { countsPods, podConstraint, podUsage } from './pod-usage.ts';
import { hasScopes, inScope } from './scopes.ts';

type Counted = Pick<KindEntry, 'kind' | 'group' | 'plural'>;

/** Kinds that no quota counts: short-lived ones. */
export const uncounted: ReadonlySet<string> = new Set(['Event']);

/** Kinds of the core group that quotas also know by their bare name. */
const bareNames: ReadonlySet<string> = new Set([
  'configmaps',
  'resourcequotas',
  'replicationcontrollers',
  'secrets',
  'services',
  'persistentvolumeclaims',
]);

const byStorageClass = '.storageclass.storage.k8s.io/';

/** `count/deployments.apps` */
function countName({ plural, group }: Counted): string {
  return `count/${plural}${group ? `.${group}` : ''}`;
}

/** Whether a quota on `name` counts objects of the kind. */
export function counts(name: string, kind: Counted): boolean {
  if (name === countName(kind)) return true;
  if (kind.group !== '') return false;
  if (kind.kind === 'Pod') return countsPods(name);
  if (bareNames.has(name)) return name === kind.plural;
  if (kind.kind === 'Service') return name === 'services.nodeports' || name === 'services.loadbalancers';
  if (kind.kind !== 'PersistentVolumeClaim') return false;
  return (
    name === 'requests.storage' ||
    name.endsWith(`${byStorageClass}requests.storage`) ||
    name.endsWith(`${byStorageClass}persistentvolumeclaims`)
  );
}

/** Whether the object is one that the quota counts. */
export function isCounted(quota: ResourceQuota, kind: Counted, object: KubeObject): boolean {
  return kind.kind === 'Pod' ? inScope(quota, object as Pod) : !hasScopes(quota);
}

/** The usage of one object, under all names that quotas have for it. `now`: milliseconds since the epoch. */
export function usageOf(kind: Counted, object: KubeObject, now: number): Amounts {
  if (kind.kind === 'Pod' && kind.group === '') return podUsage(object as Pod, now);
  const usage: Record<string, string> = { [countName(kind)]: '1' };
  if (kind.group !== '') return usage;
  if (bareNames.has(kind.plural)) usage[kind.plural] = '1';
  if (kind.kind === 'Service') addService(usage, object as Service);
  if (kind.kind === 'PersistentVolumeClaim') addClaim(usage, object as PersistentVolumeClaim);
  return usage;
}

/** Why a quota that counts `names` can't count the object. */
export function constraintOf(kind: Counted, object: KubeObject, names: readonly string[]): string | undefined {
  return kind.kind === 'Pod' ? podConstraint(object as Pod, names) : undefined;
}

/** Node ports are counted by what the service asks for: those that it leaves open are allocated later. */
function addService(usage: Record<string, string>, { spec }: Service): void {
  const ports = spec?.ports ?? [];
  const balanced = spec?.type === 'LoadBalancer';
  const given = ports.filter(({ nodePort }) => nodePort).length;
  const all = balanced && spec.allocateLoadBalancerNodePorts === false ? given : ports.length;
  usage['services.loadbalancers'] = balanced ? '1' : '0';
  usage['services.nodeports'] = balanced || spec?.type === 'NodePort' ? String(all) : '0';
}

function addClaim(usage: Record<string, string>, { metadata, spec, status }: PersistentVolumeClaim): void {
  const storageClass =
    metadata?.annotations?.['volume.beta.kubernetes.io/storage-class'] || spec?.storageClassName || undefined;
  if (storageClass) usage[`${storageClass}${byStorageClass}persistentvolumeclaims`] = '1';
  const asked = spec?.resources?.requests?.storage;
  if (asked === undefined) return;
  const allocated = status?.allocatedResources?.storage;
  const amount = allocated !== undefined && compareQuantities(allocated, asked) > 0 ? allocated : asked;
  usage['requests.storage'] = amount;
  if (storageClass) usage[`${storageClass}${byStorageClass}requests.storage`] = amount;
}
