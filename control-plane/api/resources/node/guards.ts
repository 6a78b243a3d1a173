import type { Node, NodeGuard, Pod } from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { compareQuantities } from '../../../../shared/quantity.ts';
import { objectKey } from '../../../store/keys.ts';
import type { Guard, Item, Write } from '../../../store/store.ts';
import { decodeItem, encodeObject } from '../../requests/codec.ts';
import type { Core } from '../../requests/core.ts';

/**
 * Which guard an object's change must touch. A node's guard is written by whatever takes room on the node, so that a
 * scheduling decision that did not see the taking cannot be stored (see `bind.ts`).
 *
 *   create  made with the node      remove  goes with the node      bump  something took room
 */
export type GuardEffect = { readonly type: 'create' | 'remove' | 'bump'; readonly node: string };

export function guardEffect(before: KubeObject | undefined, after: KubeObject | undefined): GuardEffect | undefined {
  const kind = (after ?? before)?.kind;
  if (kind === 'Node') return nodeEffect(before as Node | undefined, after as Node | undefined);
  if (kind === 'Pod') return podEffect(before as Pod | undefined, after as Pod | undefined);
  return undefined;
}

/**
 * The writes on node guards that a change brings along, in its own transaction. `refusal`: what stood there when the last try was
 * refused.
 */
export function addGuardWrites(
  core: Core,
  before: KubeObject | undefined,
  after: KubeObject | undefined,
  writes: Write[],
  guards: Guard[],
  refusal?: ReadonlyMap<string, Item>,
): void {
  const effect = guardEffect(before, after);
  if (!effect) return;
  const entry = core.kind('NodeGuard');
  const key = objectKey(entry, undefined, effect.node);
  if (effect.type === 'remove') {
    writes.push({ type: 'delete', key });
  } else if (effect.type === 'create' && after) {
    const { uid, creationTimestamp } = after.metadata;
    writes.push({ type: 'put', key, value: encodeObject(guardObject(effect.node, uid, creationTimestamp)) });
  } else {
    const node = nodeOf(core, effect.node, after, guards, refusal);
    if (!node) return;
    const { uid, creationTimestamp } = node.metadata;
    writes.push({ type: 'put', key, value: encodeObject(guardObject(effect.node, uid, creationTimestamp)) });
  }
}

/** The node whose guard is bumped, if there is one, which the transaction then guards: a node that is gone must get no new guard. */
function nodeOf(
  core: Core,
  name: string,
  after: KubeObject | undefined,
  guards: Guard[],
  refusal: ReadonlyMap<string, Item> | undefined,
): KubeObject | undefined {
  if (after?.kind === 'Node') return after;
  const entry = core.kind('Node');
  const key = objectKey(entry, undefined, name);
  const item = refusal?.get(key);
  const node = item ? decodeItem(item) : refusal ? undefined : core.cached(entry, undefined, name);
  guards.push({ key, revision: node?.revision ?? 0 });
  return node?.object;
}

/** The write that bumps a node's guard, whatever its revision. */
export function bumpOf(core: Core, node: string): Write & { type: 'put' } {
  const entry = core.kind('NodeGuard');
  const guard = core.cached(entry, undefined, node)?.object;
  const meta = guard?.metadata ?? core.cached(core.kind('Node'), undefined, node)?.object.metadata;
  const value = encodeObject(guardObject(node, meta?.uid ?? '', meta?.creationTimestamp ?? ''));
  return { type: 'put', key: objectKey(entry, undefined, node), value };
}

/** The guard's object as it is stored. `uid` and `created` are those of its node. */
export function guardObject(node: string, uid: string, created: string): NodeGuard {
  return {
    apiVersion: 'coracle.io/v1',
    kind: 'NodeGuard',
    metadata: { name: node, uid, creationTimestamp: created } as NodeGuard['metadata'],
  };
}

function nodeEffect(before: Node | undefined, after: Node | undefined): GuardEffect | undefined {
  if (before && !after) return { type: 'remove', node: before.metadata.name };
  if (after && !before) return { type: 'create', node: after.metadata.name };
  if (!before || !after || !hasLess(before.status?.allocatable, after.status?.allocatable)) return undefined;
  return { type: 'bump', node: after.metadata.name };
}

function podEffect(before: Pod | undefined, after: Pod | undefined): GuardEffect | undefined {
  const node = after?.spec.nodeName;
  if (!node || before?.spec.nodeName === node) return undefined;
  return { type: 'bump', node };
}

function hasLess(before: Record<string, string> = {}, after: Record<string, string> = {}): boolean {
  if (before === after) return false;
  for (const resource in before) {
    const had = before[resource];
    if (had !== undefined && compareQuantities(after[resource] ?? '0', had) < 0) return true;
  }
  return false;
}
