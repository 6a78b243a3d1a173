import type { Lease, Pod } from '../../../shared/generated/types.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { changeOf, type History } from '../history.ts';

/** What the oracles read from objects, written down here once more from Kubernetes' documentation. */

/** "All containers in the Pod have terminated": such a phase is final (Pod Lifecycle, "Pod phase"). */
export function hasEnded(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Counts as a replica: neither ended nor being deleted. */
export function isActive(pod: Pod): boolean {
  return !hasEnded(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** "Able to serve requests" (Pod Lifecycle, "Pod conditions"), and not on its way out. */
export function isHealthy(pod: Pod | undefined): boolean {
  if (!pod || !isActive(pod)) return false;
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

export function isManagedBy(object: KubeObject, uid: string): boolean {
  return object.metadata.ownerReferences?.some((owner) => owner.controller && owner.uid === uid) ?? false;
}

export function managerOf(object: KubeObject): string | undefined {
  return object.metadata.ownerReferences?.find(({ controller }) => controller)?.uid;
}

/** Labels of `matchLabels`, the only selectors of the simulation. */
export function selects(labels: Readonly<Record<string, string>> | undefined, pod: Pod): boolean {
  return Object.entries(labels ?? {}).every(([key, value]) => pod.metadata.labels?.[key] === value);
}

/** A number, or a percentage of `whole`. */
export function amountOf(value: number | string, whole: number, round: 'up' | 'down'): number {
  if (typeof value === 'number') return value;
  const exact = (Number(value.replace('%', '')) * whole) / 100;
  return round === 'up' ? Math.ceil(exact) : Math.floor(exact);
}

export const leaderLease = 'kube-system/coracle-controllers';

export function isLeaderLease(kind: string, key: string): boolean {
  return kind === 'Lease' && key === leaderLease;
}

export function holderOf(lease: Lease | undefined): string | undefined {
  return lease?.spec?.holderIdentity;
}

/**
 * The time during which some server led, as only then anything is decided: `ledAt(at)` is how much of it had passed by then.
 * Milliseconds.
 */
export function ledTime(history: Pick<History, 'steps'>): (at: number) => number {
  const spans: Array<{ from: number; before: number; leads: boolean }> = [{ from: 0, before: 0, leads: false }];
  for (const step of history.steps) {
    for (const change of step.changes) {
      const lease = changeOf(change, 'Lease');
      if (lease?.key !== leaderLease) continue;
      const last = spans.at(-1) as (typeof spans)[number];
      const before = last.before + (last.leads ? step.at - last.from : 0);
      spans.push({ from: step.at, before, leads: lease.after !== undefined });
    }
  }
  return (at) => {
    const span = spans.findLast(({ from }) => from <= at) as (typeof spans)[number];
    return span.before + (span.leads ? at - span.from : 0);
  };
}

/**
 * A value over time, and the values that a decision at a moment may have been made on: those since a server may last have looked. A
 * server that leads sees what is stored within `seenWithinMs` of the time in which one leads.
 */
export class Lately<T> {
  readonly #values: Array<{ readonly from: number; readonly value: T }> = [];

  /** `at`: led time. */
  set(at: number, value: T): void {
    this.#values.push({ from: at, value });
  }

  since(at: number): T[] {
    const start = at - seenWithinMs;
    return this.#values
      .filter((_, i) => (this.#values[i + 1]?.from ?? Number.POSITIVE_INFINITY) >= start)
      .map(({ value }) => value);
  }
}

/** Moments, and how many of them are recent enough that a decision may not have known of them. */
export class Events {
  readonly #at: number[] = [];

  add(at: number): void {
    this.#at.push(at);
  }

  since(at: number): number {
    return this.#at.filter((one) => one >= at - seenWithinMs).length;
  }
}

/** The longest that a leader's view may be behind: a watch stands still for 3 s, a dead leader's lease lasts 6 s, and the retries after each. */
export const seenWithinMs = 12_000;
