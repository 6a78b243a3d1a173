import { isDeepStrictEqual } from 'node:util';
import type { Client } from '../../../shared/client.ts';
import { isApiError } from '../../../shared/errors.ts';
import type { Node, NodeCondition, NodeStatus } from '../../../shared/generated/types.ts';

/** Attempts to write one report while the node changes at the same time. */
const maxAttempts = 5;

/** The conditions that an agent writes; others have other writers (a node problem detector, a network plugin). */
const ownConditions: ReadonlySet<string> = new Set(['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']);

/**
 * A node's status with what its agent reports, by the kubelet's rules. Kept are conditions and capacity (extended resources, all of
 * them allocatable) of other writers, and fields that the agent does not report.
 */
export function mergedNodeStatus(stored: NodeStatus = {}, reported: NodeStatus): NodeStatus {
  const capacity = { ...stored.capacity, ...reported.capacity };
  const others = Object.entries(capacity).filter(([name]) => !(name in (reported.capacity ?? {})));
  return {
    ...stored,
    ...reported,
    ...(reported.capacity || stored.capacity ? { capacity } : {}),
    ...(reported.allocatable || others.length > 0
      ? { allocatable: { ...Object.fromEntries(others), ...reported.allocatable } }
      : {}),
    ...(reported.conditions || stored.conditions
      ? { conditions: mergedConditions(stored.conditions ?? [], reported.conditions ?? []) }
      : {}),
  };
}

/** In the order of the stored conditions, new ones last. */
function mergedConditions(stored: readonly NodeCondition[], reported: readonly NodeCondition[]): NodeCondition[] {
  const own = reported.filter(({ type }) => ownConditions.has(type));
  const merged = stored.map((before): NodeCondition => {
    const after = own.find(({ type }) => type === before.type);
    if (!after) return before;
    return { ...after, ...transition(before, after) };
  });
  return [...merged, ...own.filter(({ type }) => !stored.some((before) => before.type === type))];
}

/** An agent does not have the conditions that were written while it was disconnected: no transition is older than the one before. */
function transition(before: NodeCondition, after: NodeCondition): Pick<NodeCondition, 'lastTransitionTime'> {
  const [was, is] = [before.lastTransitionTime, after.lastTransitionTime];
  if (was === undefined) return {};
  if (after.status === before.status) return { lastTransitionTime: was };
  return is !== undefined && is < was ? { lastTransitionTime: after.lastHeartbeatTime ?? is } : {};
}

/**
 * Merges a report into the node's status, on the state that others' fields were taken from, so that none is lost. `node`: a possibly
 * outdated state; a node with another uid is not written. `ended`: aborted when the session that received the report has ended. Throws
 * ApiError.
 */
export async function writeNodeStatus(
  { client, ended }: { client: Pick<Client, 'get' | 'updateStatus'>; ended: AbortSignal },
  node: Node,
  reported: NodeStatus,
): Promise<void> {
  let current = node;
  for (let attempt = 1; ; attempt++) {
    const { name, uid, resourceVersion } = current.metadata;
    const status = mergedNodeStatus(current.status, reported);
    if (isDeepStrictEqual(status, current.status)) return;
    try {
      await client.updateStatus('Node', { metadata: { name, uid, resourceVersion }, status } as Node);
      return;
    } catch (error) {
      if (!isApiError(error, 'Conflict') || attempt >= maxAttempts) throw error;
    }
    current = await client.get('Node', name);
    if (current.metadata.uid !== node.metadata.uid) return;
    // A newer session may have reported a newer status, which this one must not replace.
    ended.throwIfAborted();
  }
}
