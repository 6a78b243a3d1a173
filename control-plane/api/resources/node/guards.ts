import type { Node, NodeGuard, ObjectMeta, Pod } from '../../../../shared/generated/types.ts';
import { kindNamed } from '../../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { compareQuantities } from '../../../../shared/quantity.ts';
import type { WatchCache } from '../../../store/cache/watch-cache.ts';
import { objectKey } from '../../../store/keys.ts';
import type { Write } from '../../../store/store.ts';
import { encodeObject } from '../../requests/codec.ts';
import type { Observed } from '../../requests/observed.ts';
import type { WriteHook } from '../../requests/write-hook.ts';

/**
 * The node guard that a change must write. A write that takes room on a node bumps the node's guard, so that a scheduling
 * decision of before cannot be stored (`requests/bind.ts`).
 *
 *   create  with the node      remove  with the node      bump  room was taken
 */
type GuardEffect = { readonly type: 'create' | 'remove' | 'bump'; readonly node: string };

function guardEffect(before: KubeObject | undefined, after: KubeObject | undefined): GuardEffect | undefined {
  const kind = (after ?? before)?.kind;
  if (kind === 'Node') return nodeEffect(before as Node | undefined, after as Node | undefined);
  if (kind === 'Pod') return podEffect(before as Pod | undefined, after as Pod | undefined);
  return undefined;
}

/** Writes the guards of nodes in the transactions of nodes and pods. */
export function nodeGuards(cache: Pick<WatchCache, 'get'>): WriteHook {
  return {
    kinds: ['Node', 'Pod'],
    contribute({ before, after }, observed) {
      const effect = guardEffect(before, after);
      if (!effect) return undefined;
      if (effect.type === 'remove') return { writes: [{ type: 'delete', key: guardKey(effect.node) }] };
      if (after?.kind === 'Node') return { writes: [putGuard(effect.node, after.metadata)] };
      // The transaction guards the node as well: a node that is gone must get no new guard.
      const { key, node } = nodeOf(cache, effect.node, observed);
      const guards = [{ key, revision: Number(node?.metadata.resourceVersion ?? 0) }];
      return { guards, writes: node ? [putGuard(effect.node, node.metadata)] : [] };
    },
  };
}

/** The write that gives a node's guard a new revision, whatever revision it has. */
export function guardBump(cache: Pick<WatchCache, 'get'>, node: string): Write & { type: 'put' } {
  const { metadata } = cache.get('NodeGuard', node) ?? cache.get('Node', node) ?? {};
  return putGuard(node, metadata);
}

/** The node as the store showed it last, else as the cache shows it. */
function nodeOf(cache: Pick<WatchCache, 'get'>, name: string, observed: Observed) {
  const key = objectKey(kindNamed('Node'), undefined, name);
  return { key, node: observed.has(key) ? observed.state(key)?.object : cache.get('Node', name) };
}

/** The key of a node's guard. */
export function guardKey(node: string): string {
  return objectKey(kindNamed('NodeGuard'), undefined, node);
}

/** `of`: the metadata of the node. */
function putGuard(
  node: string,
  of: Pick<ObjectMeta, 'uid' | 'creationTimestamp'> | undefined,
): Write & { type: 'put' } {
  const value = encodeObject(guardObject(node, of?.uid ?? '', of?.creationTimestamp ?? ''));
  return { type: 'put', key: guardKey(node), value };
}

/** The guard's object as it is stored. `uid` and `created` are those of its node. */
function guardObject(node: string, uid: string, created: string): NodeGuard {
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
