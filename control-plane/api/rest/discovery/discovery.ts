import { createHash } from 'node:crypto';
import type { KindDef } from '../../../../shared/kinds/kind.ts';
import { apiVersionOf } from '../../../../shared/kinds/names.ts';
import { derivedFrom, type KindLookup } from '../../../../shared/kinds/registry.ts';
import { type Subresource, verbsOf } from '../../../../shared/kinds/table.ts';

/** The discovery documents, derived from the kinds. The first version of a group in their order is its preferred one. */

interface SubresourceInfo {
  readonly verbs: readonly string[];
  /** Its kind, when that is another than its parent's. */
  readonly kind?: { readonly group: string; readonly version: string; readonly kind: string };
}

/** The verbs and the kind of a subresource. */
export function subresourceInfo(def: KindDef, name: Subresource): SubresourceInfo {
  const info = subresources[name];
  return name === 'proxy' ? { ...info, kind: { group: '', version: 'v1', kind: `${def.kind}ProxyOptions` } } : info;
}

const subresources: Readonly<Record<Subresource, SubresourceInfo>> = {
  status: { verbs: ['get', 'patch', 'update'] },
  scale: { verbs: ['get', 'patch', 'update'], kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' } },
  binding: { verbs: ['create'], kind: { group: '', version: 'v1', kind: 'Binding' } },
  eviction: { verbs: ['create'], kind: { group: 'policy', version: 'v1', kind: 'Eviction' } },
  log: { verbs: ['get'] },
  finalize: { verbs: ['update'] },
  exec: { verbs: ['create', 'get'], kind: { group: '', version: 'v1', kind: 'PodExecOptions' } },
  attach: { verbs: ['create', 'get'], kind: { group: '', version: 'v1', kind: 'PodAttachOptions' } },
  portforward: { verbs: ['create', 'get'], kind: { group: '', version: 'v1', kind: 'PodPortForwardOptions' } },
  proxy: { verbs: ['create', 'delete', 'get', 'patch', 'update'] },
  ephemeralcontainers: { verbs: ['get', 'patch', 'update'] },
  resize: { verbs: ['get', 'patch', 'update'] },
  token: { verbs: ['create'], kind: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' } },
  approval: { verbs: ['get', 'patch', 'update'] },
};

interface Group {
  readonly group: string;
  /** The preferred one first. */
  readonly versions: readonly Version[];
}

interface Version {
  readonly version: string;
  readonly kinds: readonly KindDef[];
}

/** Kubernetes' order of its groups, by priority; others follow. `kubectl get all` shows kinds in this order. */
const order = [
  '',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
];

/** The versions of the aggregated form; their documents do not differ. */
export type Aggregated = 'v2' | 'v2beta1';

/** The list of CustomResourceDefinitions, which clients read before they rely on the server's validation. It is empty. */
export const addedKindsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

const noAddedKinds = {
  kind: 'CustomResourceDefinitionList',
  apiVersion: 'apiextensions.k8s.io/v1',
  metadata: { resourceVersion: '' },
  items: [],
};

/** Answers discovery from the kinds that are served at the moment. */
export class Discovery {
  readonly #groups: () => readonly Group[];

  constructor(kinds: KindLookup) {
    this.#groups = derivedFrom(kinds, ({ served }) => groupsOf(served));
  }

  /** The paths of all discovery documents. */
  paths(): string[] {
    const groups = this.#groups().filter(({ group }) => group !== '');
    const versioned = groups.flatMap(({ group, versions }) => [
      `/apis/${group}`,
      ...versions.map(({ version }) => `/apis/${group}/${version}`),
    ]);
    return ['/api', '/api/v1', '/apis', '/apis/', ...versioned];
  }

  /**
   * The document at a path, undefined when there is none. `aggregated`: the form that the client asks for. `address`: this server's host
   * and port.
   */
  document(parts: readonly string[], aggregated: Aggregated | undefined, address: string): object | undefined {
    const [root, group, version, ...rest] = parts;
    if (rest.length > 0) return `/${parts.join('/')}` === addedKindsPath ? noAddedKinds : undefined;
    const groups = this.#groups();
    if (root === 'api') {
      if (group === undefined) {
        return aggregated
          ? aggregatedList(
              aggregated,
              groups.filter((one) => one.group === ''),
            )
          : versions(address);
      }
      return version === undefined ? resourceList(groups, '', group) : undefined;
    }
    if (root !== 'apis') return undefined;
    const named = groups.filter((one) => one.group !== '');
    if (group === undefined) return aggregated ? aggregatedList(aggregated, named) : groupList(named);
    const known = named.find((one) => one.group === group);
    if (!known) return undefined;
    return version === undefined
      ? { kind: 'APIGroup', apiVersion: 'v1', ...groupInfo(known) }
      : resourceList(groups, group, version);
  }
}

function versions(serverAddress: string) {
  const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress }];
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs };
}

function groupList(groups: readonly Group[]) {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupInfo) };
}

function groupInfo({ group, versions }: Group) {
  const all = versions.map(({ version }) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: all, preferredVersion: all[0] };
}

function resourceList(groups: readonly Group[], group: string, version: string): object | undefined {
  const found = groups.find((one) => one.group === group)?.versions.find((one) => one.version === version);
  if (!found) return undefined;
  const resources = found.kinds.flatMap((def) => [
    resource(def),
    ...def.subresources.toSorted().map((sub) => subresource(def, sub)),
  ]);
  const groupVersion = apiVersionOf({ group, version });
  // The document of the core group has no such field.
  return { kind: 'APIResourceList', ...(group === '' ? {} : { apiVersion: 'v1' }), groupVersion, resources };
}

function resource(def: KindDef) {
  return {
    name: def.plural,
    singularName: def.singular,
    namespaced: def.namespaced,
    kind: def.kind,
    verbs: verbsOf(def),
    ...(def.shortNames.length > 0 ? { shortNames: def.shortNames } : {}),
    ...(def.categories.length > 0 ? { categories: def.categories } : {}),
    ...(def.verbs ? {} : { storageVersionHash: storageVersionHash(def.stored) }),
  };
}

/** A change of this hash shows that a kind is stored in another version than before. */
function storageVersionHash({ group, version, kind }: KindDef): string {
  return createHash('sha256').update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString('base64');
}

function subresource(def: KindDef, name: Subresource) {
  const { verbs: allowed, kind } = subresourceInfo(def, name);
  const other = kind?.group ? { group: kind.group, version: kind.version } : {};
  return {
    name: `${def.plural}/${name}`,
    singularName: '',
    namespaced: def.namespaced,
    ...other,
    kind: kind?.kind ?? def.kind,
    verbs: allowed,
  };
}

function aggregatedList(form: Aggregated, groups: readonly Group[]) {
  const items = groups.map(({ group, versions }) => ({
    metadata: group === '' ? { creationTimestamp: null } : { name: group, creationTimestamp: null },
    versions: versions.map(({ version, kinds }) => ({
      version,
      freshness: 'Current',
      resources: kinds.map(aggregatedResource),
    })),
  }));
  return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${form}`, metadata: {}, items };
}

function aggregatedResource(def: KindDef) {
  const own = { group: def.group, version: def.version, kind: def.kind };
  return {
    resource: def.plural,
    responseKind: own,
    scope: def.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: def.singular,
    verbs: verbsOf(def),
    ...(def.shortNames.length > 0 ? { shortNames: def.shortNames } : {}),
    ...(def.categories.length > 0 ? { categories: def.categories } : {}),
    ...(def.subresources.length > 0
      ? {
          subresources: def.subresources.toSorted().map((name) => ({
            subresource: name,
            responseKind: subresourceInfo(def, name).kind ?? own,
            verbs: subresourceInfo(def, name).verbs,
          })),
        }
      : {}),
  };
}

function groupsOf(all: readonly KindDef[]): Group[] {
  const found = new Map<string, Map<string, KindDef[]>>();
  for (const def of all) {
    const versions = found.get(def.group) ?? new Map<string, KindDef[]>();
    found.set(def.group, versions);
    versions.set(def.version, [...(versions.get(def.version) ?? []), def]);
  }
  const rank = (group: string): number => (order.includes(group) ? order.indexOf(group) : order.length);
  return [...found]
    .map(([group, versions]) => ({
      group,
      versions: [...versions].map(([version, members]) => ({ version, kinds: members.toSorted(byPlural) })),
    }))
    .sort((a, b) => rank(a.group) - rank(b.group));
}

function byPlural(one: KindDef, other: KindDef): number {
  return one.plural < other.plural ? -1 : 1;
}
