import type { ConfigMap, Pod, Secret } from '../shared/generated/types.ts';
import type { Assignment, Peer, ToNode } from '../shared/session.ts';

/** What the control plane wants of this node, by `namespace/name` (peers by name). */
export interface Assigned {
  readonly pods: Map<string, Pod>;
  readonly configMaps: Map<string, ConfigMap>;
  readonly secrets: Map<string, Secret>;
  readonly peers: Map<string, Peer>;
}

/** Which of them a message changed. */
export interface AssignedChanges {
  readonly pods: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
  readonly peers: boolean;
}

export function nothingAssigned(): Assigned {
  return { pods: new Map(), configMaps: new Map(), secrets: new Map(), peers: new Map() };
}

type Assignments = Extract<ToNode, { type: 'assignments' }>;

/** Brings `assigned` to what the message says, and tells what is different. A COMPLETE message leaves nothing else. */
export function applyAssignments(assigned: Assigned, message: Pick<Assignments, 'mode' | 'changes'>): AssignedChanges {
  const changed = { pods: new Set<string>(), configMaps: new Set<string>(), secrets: new Set<string>(), peers: false };
  const seen = {
    Pod: new Set<string>(),
    ConfigMap: new Set<string>(),
    Secret: new Set<string>(),
    Peer: new Set<string>(),
  };
  for (const change of message.changes) {
    const key = change.kind === 'Peer' ? change.name : `${change.namespace}/${change.name}`;
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
  }
  return changed;
}

function apply(
  assigned: Assigned,
  { kind, removed, object }: Assignment,
  key: string,
  changed: { pods: Set<string>; configMaps: Set<string>; secrets: Set<string>; peers: boolean },
): void {
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
