import { groups, type Identity } from '../../auth/identity.ts';

export type LevelName = 'system' | 'workload' | 'catch-all';

/** The limits of a priority level. */
export interface LevelLimits {
  /** Seats, of which a request takes one or several while it is carried out. */
  readonly seats: number;
  /** The most seats of one user. */
  readonly perUser: number;
  /** The most waiting requests of one user, and of all. */
  readonly queue: number;
  readonly allQueues: number;
}

/**
 * One thread carries out all requests, and a dozen seats keep it busy. The number of seats bounds the work that may stand before the
 * next request.
 */
export const levels: Readonly<Record<LevelName, LevelLimits>> = {
  system: { seats: 64, perUser: 24, queue: 500, allQueues: 10_000 },
  workload: { seats: 96, perUser: 24, queue: 1_000, allQueues: 10_000 },
  'catch-all': { seats: 8, perUser: 8, queue: 100, allQueues: 100 },
};

/** Components and nodes have a level of their own, and so have anonymous requests. */
export function levelOf({ user, groups: held }: Identity): LevelName {
  if (held.includes(groups.unauthenticated)) return 'catch-all';
  if (held.includes(groups.nodes)) return 'system';
  if (user.startsWith('system:kube-') || user.startsWith('system:serviceaccount:kube-system:')) return 'system';
  return 'workload';
}

/** Items of a list that cost about as much as one small request. */
const itemsPerSeat = 250;
const widestList = 10;

/** How many seats a list takes. `items`: those that it may have to read; `limit`: the page size, if there is one. */
export function listWidth(items: number, limit: number | undefined): number {
  const read = limit ? Math.min(items, limit) : items;
  return Math.min(widestList, 1 + Math.floor(read / itemsPerSeat));
}
