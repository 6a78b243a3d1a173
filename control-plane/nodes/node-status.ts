import { isDeepStrictEqual } from 'node:util';
import type { Client } from '../../shared/client.ts';
import { isApiError } from '../../shared/errors.ts';
import type { Node, NodeCondition, NodeStatus } from '../../shared/generated/types.ts';

/** Tries of one report whose node changes at the same time. */
const tries = 5;

/** The conditions that an agent writes; all others have other writers (a node problem detector, a network plugin). */
const ownConditions: ReadonlySet<string> = new Set(['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']);

/**
 * A node's status with what its agent reports, by the kubelet's rules: each field has one writer. Conditions of others stay; so does
 * capacity of others (extended resources), which is allocatable as a whole; fields that the agent does not report stay as well.
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

/** In the order in which they stand. */
function mergedConditions(stored: readonly NodeCondition[], reported: readonly NodeCondition[]): NodeCondition[] {
  const own = reported.filter(({ type }) => ownConditions.has(type));
  const merged = stored.map((before): NodeCondition => {
    const after = own.find(({ type }) => type === before.type);
    if (!after) return before;
    return { ...after, ...transition(before, after) };
  });
  return [...merged, ...own.filter(({ type }) => !stored.some((before) => before.type === type))];
}

/** An agent does not know what was said of it while it was away: no transition is older than the one before. */
function transition(before: NodeCondition, after: NodeCondition): Pick<NodeCondition, 'lastTransitionTime'> {
  const [was, is] = [before.lastTransitionTime, after.lastTransitionTime];
  if (was === undefined) return {};
  if (after.status === before.status) return { lastTransitionTime: was };
  return is !== undefined && is < was ? { lastTransitionTime: after.lastHeartbeatTime ?? is } : {};
}

/**
 * Writes a report into the node's status, on the state that others' fields were taken from, so that none of them is lost. `node`: as last
 * known; its uid must still be the node's. Throws ApiError.
 */
export async function writeNodeStatus(
  client: Pick<Client, 'get' | 'updateStatus'>,
  node: Node,
  reported: NodeStatus,
): Promise<void> {
  let known = node;
  for (let attempt = 1; ; attempt++) {
    const { name, uid, resourceVersion } = known.metadata;
    const status = mergedNodeStatus(known.status, reported);
    if (isDeepStrictEqual(status, known.status)) return;
    try {
      await client.updateStatus('Node', { metadata: { name, uid, resourceVersion }, status } as Node);
      return;
    } catch (error) {
      if (!isApiError(error, 'Conflict') || attempt >= tries) throw error;
    }
    known = await client.get('Node', name);
    if (known.metadata.uid !== node.metadata.uid) return;
  }
}
