import { apiVersionOf, servedKinds } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import { type Subresource, verbsOf } from '../../../shared/kinds/table.ts';

/** What discovery says is served, derived from the kind table. The first version of a group there is its preferred one. */

/** Subresources that carry another kind than their parent's, and what can be done with each. */
export const subresources: Readonly<
  Record<
    Subresource,
    { readonly verbs: readonly string[]; readonly kind?: { group: string; version: string; kind: string } }
  >
> = {
  status: { verbs: ['get', 'patch', 'update'] },
  scale: { verbs: ['get', 'patch', 'update'], kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' } },
  binding: { verbs: ['create'], kind: { group: '', version: 'v1', kind: 'Binding' } },
  eviction: { verbs: ['create'], kind: { group: 'policy', version: 'v1', kind: 'Eviction' } },
  log: { verbs: ['get'] },
  finalize: { verbs: ['update'] },
  exec: { verbs: ['create', 'get'], kind: { group: '', version: 'v1', kind: 'PodExecOptions' } },
  attach: { verbs: ['create', 'get'], kind: { group: '', version: 'v1', kind: 'PodAttachOptions' } },
  portforward: { verbs: ['create', 'get'], kind: { group: '', version: 'v1', kind: 'PodPortForwardOptions' } },
  proxy: {
    verbs: ['create', 'delete', 'get', 'patch', 'update'],
    kind: { group: '', version: 'v1', kind: 'PodProxyOptions' },
  },
  ephemeralcontainers: { verbs: ['get', 'patch', 'update'] },
  resize: { verbs: ['get', 'patch', 'update'] },
  token: { verbs: ['create'], kind: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' } },
  approval: { verbs: ['get', 'patch', 'update'] },
};

const v1 = { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };

interface Group {
  readonly group: string;
  /** The preferred one first. */
  readonly versions: readonly Version[];
}

interface Version {
  readonly version: string;
  readonly kinds: readonly KindDef[];
}

const served: readonly Group[] = groupsOf(servedKinds);

/** Where a client looks for kinds that somebody has added, before it trusts the server to check what it sends. There are none. */
export const addedKindsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

const noAddedKinds = {
  kind: 'CustomResourceDefinitionList',
  apiVersion: 'apiextensions.k8s.io/v1',
  metadata: { resourceVersion: '' },
  items: [],
};

/** The answer to a discovery path, undefined when it is none. `aggregated`: the client asked for the v2 form. */
export function discoveryOf(parts: readonly string[], aggregated: boolean): object | undefined {
  const [root, group, version, ...rest] = parts;
  if (rest.length > 0) return `/${parts.join('/')}` === addedKindsPath ? noAddedKinds : undefined;
  if (root === 'api') {
    if (group === undefined) return aggregated ? aggregatedList((one) => one === '') : v1;
    return version === undefined ? resourceList('', group) : undefined;
  }
  if (root !== 'apis') return undefined;
  if (group === undefined) return aggregated ? aggregatedList((one) => one !== '') : groupList();
  const known = served.find((one) => one.group === group && one.group !== '');
  if (!known) return undefined;
  return version === undefined
    ? { kind: 'APIGroup', apiVersion: 'v1', ...groupInfo(known) }
    : resourceList(group, version);
}

function groupList() {
  const groups = served.filter(({ group }) => group !== '').map(groupInfo);
  return { kind: 'APIGroupList', apiVersion: 'v1', groups };
}

function groupInfo({ group, versions }: Group) {
  const all = versions.map(({ version }) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: all, preferredVersion: all[0] };
}

function resourceList(group: string, version: string): object | undefined {
  const found = served.find((one) => one.group === group)?.versions.find((one) => one.version === version);
  if (!found) return undefined;
  const resources = found.kinds.flatMap((def) => [
    resource(def),
    ...def.subresources.map((sub) => subresource(def, sub)),
  ]);
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf({ group, version }), resources };
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
  };
}

function subresource(def: KindDef, name: Subresource) {
  const { verbs: allowed, kind } = subresources[name];
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

function aggregatedList(wanted: (group: string) => boolean) {
  const items = served
    .filter(({ group }) => wanted(group))
    .map(({ group, versions }) => ({
      metadata: group === '' ? { creationTimestamp: null } : { name: group, creationTimestamp: null },
      versions: versions.map(({ version, kinds }) => ({
        version,
        freshness: 'Current',
        resources: kinds.map(aggregatedResource),
      })),
    }));
  return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items };
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
          subresources: def.subresources.map((name) => ({
            subresource: name,
            responseKind: subresources[name].kind ?? own,
            verbs: subresources[name].verbs,
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
  return [...found].map(([group, versions]) => ({
    group,
    versions: [...versions].map(([version, members]) => ({ version, kinds: members })),
  }));
}
