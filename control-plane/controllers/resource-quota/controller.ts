import { isDeepStrictEqual } from 'node:util';
import type { Kind, Pod, ResourceQuota } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { kinds } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import { type KubeObject, keyOf, splitKey } from '../../../shared/object.ts';
import { isPodTerminal } from '../../../shared/pod.ts';
import { type Amounts, addInto, pick } from '../../../shared/quota/amounts.ts';
import { graceEnd } from '../../../shared/quota/pod-usage.ts';
import { counts, isCounted, uncounted, usageOf } from '../../../shared/quota/usage.ts';
import type { Controller, ControllerDeps } from '../controller.ts';

/** A quota is counted at most this often: many deletions are one count. */
const minIntervalMs = 200;

/** The kinds that quotas count. */
const countedDefs: readonly KindDef[] = kinds.filter(({ kind, namespaced }) => namespaced && !uncounted.has(kind));
const countedKinds: readonly Kind[] = countedDefs.map(({ kind }) => kind as Kind);

/**
 * Computes the usage of quotas: when a quota is created or changed, and when an object that it counts is deleted, ends or shrinks. A count is
 * of one revision of everything, and is stored only on the quota of that revision: a create since then causes a conflict.
 */
export function createQuotaController(deps: ControllerDeps): Controller {
  const { client, informers, clock } = deps;
  const counted = new Map<string, number>();

  function* keysOf({ kind, key, before, after }: Change): Iterable<string> {
    if (kind === 'ResourceQuota') {
      yield key;
      if (!after) counted.delete(key);
    }
    const namespace = (after ?? before)?.metadata.namespace;
    if (!namespace || !changesUsage(kind, before, after)) return;
    for (const quota of informers.of('ResourceQuota').by('namespace', namespace)) yield keyOf(quota);
  }

  async function reconcile(key: string): Promise<number | undefined> {
    const quota = informers.of('ResourceQuota').get(key);
    if (!quota) return undefined;
    const rest = minIntervalMs - (clock.monotonic() - (counted.get(key) ?? Number.NEGATIVE_INFINITY));
    if (rest > 0) return rest;
    counted.set(key, clock.monotonic());
    const now = clock.now();
    const { used, again } = count(quota, now);
    const hard = quota.spec?.hard ?? {};
    const status = { hard: { ...hard }, used: { ...used } };
    const { hard: wasHard = {}, used: wasUsed = {} } = quota.status ?? {};
    if (!isDeepStrictEqual(status, { hard: wasHard, used: wasUsed }) || !quota.status) {
      await client.updateStatus('ResourceQuota', { ...quota, status });
    }
    return again === undefined ? undefined : Math.max(0, again - now) + 1;
  }

  /** The usage as the informers show it, and when it changes by time alone (milliseconds since the epoch). */
  function count(quota: ResourceQuota, now: number): { used: Amounts; again: number | undefined } {
    const { namespace } = splitKey(keyOf(quota));
    const names = Object.keys(quota.spec?.hard ?? {});
    const used: Record<string, string> = {};
    let again: number | undefined;
    for (const def of countedDefs) {
      const matching = names.filter((name) => counts(name, def));
      if (matching.length === 0) continue;
      for (const name of matching) used[name] ??= '0';
      for (const object of informers.of(def.kind as Kind).by('namespace', namespace)) {
        if (!isCounted(quota, def, object)) continue;
        addInto(used, pick(usageOf(def, object, now), matching));
        const end = def.kind === 'Pod' ? graceEnd(object as Pod) : undefined;
        if (end !== undefined && end >= now) again = Math.min(again ?? end, end);
      }
    }
    return { used, again };
  }

  return {
    name: 'resourcequota-controller',
    kinds: [...new Set<Kind>(['ResourceQuota', ...countedKinds])],
    workers: 4,
    keysOf,
    reconcile,
  };
}

/** Kinds whose usage an update may change. */
const resized: ReadonlySet<string> = new Set(['Service', 'PersistentVolumeClaim']);

/** Whether a change may alter the usage. */
function changesUsage(kind: Kind, before: KubeObject | undefined, after: KubeObject | undefined): boolean {
  if (uncounted.has(kind)) return false;
  if (!before || !after) return true;
  if (resized.has(kind)) return true;
  if (kind !== 'Pod') return false;
  const [was, is] = [before as Pod, after as Pod];
  return (
    isPodTerminal(was) !== isPodTerminal(is) ||
    was.metadata.deletionTimestamp !== is.metadata.deletionTimestamp ||
    was.metadata.generation !== is.metadata.generation
  );
}
