import type { ConfigMap, Pod, Secret } from '../../shared/generated/types.ts';
import type { ApiServer, Assignment, Peer, ToNode } from '../../shared/session.ts';

/** What the control plane wants of this node, by `namespace/name` (peers and servers by name). */
export interface Assigned {
  readonly pods: Map<string, Pod>;
  readonly configMaps: Map<string, ConfigMap>;
  readonly secrets: Map<string, Secret>;
  readonly peers: Map<string, Peer>;
  readonly apiServers: Map<string, ApiServer>;
}

/** Which of them a message changed. */
export interface AssignedChanges {
  readonly pods: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
  readonly peers: boolean;
  readonly apiServers: boolean;
}

export function nothingAssigned(): Assigned {
  return { pods: new Map(), configMaps: new Map(), secrets: new Map(), peers: new Map(), apiServers: new Map() };
}

/** For what has only to be looked at again. */
export function noChanges(): AssignedChanges {
  return { pods: new Set(), configMaps: new Set(), secrets: new Set(), peers: false, apiServers: false };
}

interface Changes {
  pods: Set<string>;
  configMaps: Set<string>;
  secrets: Set<string>;
  peers: boolean;
  apiServers: boolean;
}

type Assignments = Extract<ToNode, { type: 'assignments' }>;

/** Brings `assigned` to what the message says, and tells what is different. A COMPLETE message leaves nothing else. */
export function applyAssignments(assigned: Assigned, message: Pick<Assignments, 'mode' | 'changes'>): AssignedChanges {
  const changed: Changes = { ...noChanges(), pods: new Set(), configMaps: new Set(), secrets: new Set() };
  const seen = {
    Pod: new Set<string>(),
    ConfigMap: new Set<string>(),
    Secret: new Set<string>(),
    Peer: new Set<string>(),
    ApiServer: new Set<string>(),
  };
  for (const change of message.changes) {
    const named = change.kind === 'Peer' || change.kind === 'ApiServer';
    const key = named ? change.name : `${change.namespace}/${change.name}`;
    if (!change.removed) seen[change.kind].add(key);
    apply(assigned, change, key, changed);
  }
  if (message.mode === 'COMPLETE') {
    drop(assigned.pods, seen.Pod, (key) => changed.pods.add(key));
    drop(assigned.configMaps, seen.ConfigMap, (key) => changed.configMaps.add(key));
    drop(assigned.secrets, seen.Secret, (key) => changed.secrets.add(key));
    drop(assigned.peers, seen.Peer, () => {
      changed.peers = true;
    });
    drop(assigned.apiServers, seen.ApiServer, () => {
      changed.apiServers = true;
    });
  }
  return changed;
}

function apply(assigned: Assigned, { kind, removed, object }: Assignment, key: string, changed: Changes): void {
  switch (kind) {
    case 'Pod':
      if (put(assigned.pods, key, removed ? undefined : (object as Pod))) changed.pods.add(key);
      break;
    case 'ConfigMap':
      if (put(assigned.configMaps, key, removed ? undefined : (object as ConfigMap))) changed.configMaps.add(key);
      break;
    case 'Secret':
      if (put(assigned.secrets, key, removed ? undefined : (object as Secret))) changed.secrets.add(key);
      break;
    case 'Peer':
      if (removed) assigned.peers.delete(key);
      else assigned.peers.set(key, object as Peer);
      changed.peers = true;
      break;
    case 'ApiServer':
      if (removed) assigned.apiServers.delete(key);
      else assigned.apiServers.set(key, object as ApiServer);
      changed.apiServers = true;
  }
}

/** Whether it made a difference. */
function put<T extends { metadata?: { uid: string; resourceVersion: string } }>(
  map: Map<string, T>,
  key: string,
  object: T | undefined,
): boolean {
  const before = map.get(key);
  if (!object) return map.delete(key);
  map.set(key, object);
  return (
    before?.metadata?.resourceVersion !== object.metadata?.resourceVersion ||
    before?.metadata?.uid !== object.metadata?.uid
  );
}

function drop<T>(map: Map<string, T>, keep: ReadonlySet<string>, dropped: (key: string) => unknown): void {
  for (const key of [...map.keys()]) {
    if (keep.has(key)) continue;
    map.delete(key);
    dropped(key);
  }
}
