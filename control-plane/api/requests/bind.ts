import type { Binding, BindResult } from '../../../shared/client.ts';
import { ApiError, isApiError } from '../../../shared/errors.ts';
import type { Pod } from '../../../shared/generated/types.ts';
import { objectKey } from '../../store/keys.ts';
import type { Txn, TxnResult } from '../../store/store.ts';
import type { RequestContext } from '../api.ts';
import { guardBump, guardKey } from '../resources/node/guards.ts';
import { boundPod, unbindable } from '../resources/pod/bound-pod.ts';
import { encodeObject } from './codec.ts';
import { commitEach } from './commit.ts';
import type { Core } from './core.ts';
import { conflict, modified, notFound } from './refusals.ts';

/** A transaction of the store has room for one guard and this many pods. */
const podsPerTxn = 127;
/** The most bindings of one request. */
const maxBindings = 10_000;

/** Bindings to one node that were decided on the same guard. */
interface Group {
  readonly node: string;
  /** The revision that the guard must have; each transaction of the group sets it anew. */
  guard: number;
  waiting: Placement[];
}

interface Placement {
  readonly index: number;
  readonly binding: Binding;
  readonly key: string;
  readonly revision: number;
  readonly text: string;
}

/**
 * Binds pods to nodes. All pods that are bound to one node on one guard are one transaction: it compares the guard and each pod with
 * the revisions of the decision, writes the pods and bumps the guard. If something else has taken room on the node since then, the
 * whole group is a Conflict; a pod that has changed fails alone.
 */
export async function bindPods(
  core: Core,
  context: RequestContext,
  bindings: readonly Binding[],
): Promise<BindResult[]> {
  if (bindings.length > maxBindings) {
    throw new ApiError('RequestEntityTooLarge', `at most ${maxBindings} bindings can be requested at once`);
  }
  const pods = core.kind('Pod');
  for (const namespace of new Set(bindings.map((binding) => binding.namespace))) {
    core.authorize(context, 'create', { entry: pods, namespace, subresource: 'binding' });
  }
  const results = new Array<BindResult>(bindings.length);
  let groups = await groupByGuard(core, bindings, results);
  while (groups.length > 0) {
    context.signal.throwIfAborted();
    const round = nextRound(groups);
    const outcomes = await commitEach(
      core,
      round.map(({ group, chunk }) => transaction(core, group, chunk)),
    );
    for (const [at, { group, chunk }] of round.entries()) {
      const outcome = outcomes[at];
      if (outcome) settle(core, group, chunk, outcome, results);
    }
    groups = groups.filter((group) => group.waiting.length > 0);
  }
  return results;
}

async function groupByGuard(core: Core, bindings: readonly Binding[], results: BindResult[]): Promise<Group[]> {
  const groups = new Map<string, Group>();
  const seen = new Set<string>();
  for (const [index, binding] of bindings.entries()) {
    const id = `${binding.namespace}/${binding.name}`;
    const prepared = seen.has(id)
      ? failure(modified(core.kind('Pod'), binding.name))
      : await prepare(core, binding, index);
    seen.add(id);
    if ('ok' in prepared) {
      results[index] = prepared;
      continue;
    }
    const name = `${binding.node} ${binding.guardVersion}`;
    let group = groups.get(name);
    if (!group) {
      group = { node: binding.node, guard: Number(binding.guardVersion), waiting: [] };
      groups.set(name, group);
    }
    group.waiting.push(prepared);
  }
  return [...groups.values()];
}

async function prepare(core: Core, binding: Binding, index: number): Promise<Placement | BindResult> {
  const entry = core.kind('Pod');
  const key = objectKey(entry, binding.namespace, binding.name);
  const wanted = /^\d+$/.test(binding.resourceVersion) ? Number(binding.resourceVersion) : Number.NaN;
  let state = core.cached(entry, binding.namespace, binding.name);
  if (!state || state.revision < wanted) {
    try {
      state = await core.fresh(key);
    } catch (error) {
      if (isApiError(error)) return failure(error);
      throw error;
    }
  }
  if (!state) return failure(notFound(entry, binding.name));
  const pod = state.object as Pod;
  const fault = unbindable(pod, binding.uid);
  if (fault) return failure(fault);
  if (state.revision !== wanted) return failure(modified(entry, binding.name));
  const text = encodeObject(boundPod(pod, binding.node, core.clock.now()));
  return { index, binding, key, revision: state.revision, text };
}

/** One transaction a node: the rest of a node's bindings waits for the next round. */
function nextRound(groups: readonly Group[]): { group: Group; chunk: Placement[] }[] {
  const nodes = new Set<string>();
  const round: { group: Group; chunk: Placement[] }[] = [];
  for (const group of groups) {
    if (nodes.has(group.node)) continue;
    nodes.add(group.node);
    round.push({ group, chunk: group.waiting.slice(0, podsPerTxn) });
  }
  return round;
}

function transaction(core: Core, group: Group, chunk: readonly Placement[]): Txn {
  const guard = guardBump(core.cache, group.node);
  return {
    guards: [{ key: guard.key, revision: group.guard }, ...chunk.map(({ key, revision }) => ({ key, revision }))],
    writes: [guard, ...chunk.map(({ key, text }) => ({ type: 'put', key, value: text }) as const)],
  };
}

function settle(
  core: Core,
  group: Group,
  chunk: readonly Placement[],
  outcome: TxnResult,
  results: BindResult[],
): void {
  if (outcome.ok) {
    const guardVersion = String(outcome.revision);
    for (const { index } of chunk) results[index] = { ok: true, guardVersion };
    group.guard = outcome.revision;
    group.waiting = group.waiting.slice(chunk.length);
    return;
  }
  if (outcome.current.get(guardKey(group.node))?.revision !== group.guard || group.guard === 0) {
    for (const { index } of group.waiting) results[index] = failure(guardMoved(core, group.node));
    group.waiting = [];
    return;
  }
  const moved = new Set<Placement>();
  for (const placement of chunk) {
    const now = outcome.current.get(placement.key);
    if (now?.revision === placement.revision) continue;
    const { name } = placement.binding;
    results[placement.index] = failure(now ? modified(core.kind('Pod'), name) : notFound(core.kind('Pod'), name));
    moved.add(placement);
  }
  if (moved.size === 0) throw new ApiError('InternalError', 'the store refused a binding whose guards all hold');
  group.waiting = group.waiting.filter((placement) => !moved.has(placement));
}

function guardMoved(core: Core, node: string): ApiError {
  return conflict(core.kind('Node'), node, 'the node has been given other pods since the decision');
}

function failure(error: ApiError): BindResult {
  return { ok: false, reason: error.reason, message: error.message };
}
