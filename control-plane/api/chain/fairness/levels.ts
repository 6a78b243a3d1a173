import { groups, type Identity } from '../../auth/identity.ts';

export type LevelName = 'system' | 'workload' | 'catch-all';

/** What the users of one level share. */
export interface LevelLimits {
  /** Requests that are carried out at a time, counted by their width. */
  readonly seats: number;
  /** The most of them that one user has. The others are there at once for the others. */
  readonly perUser: number;
  /** The most requests of one user, and of all, that wait. */
  readonly queue: number;
  readonly allQueues: number;
}

/**
 * One thread carries out all requests; so seats are not there to use it fully, which a dozen do, but to bound how much of it may stand
 * before anybody's next turn.
 */
export const levels: Readonly<Record<LevelName, LevelLimits>> = {
  system: { seats: 64, perUser: 24, queue: 500, allQueues: 10_000 },
  workload: { seats: 96, perUser: 24, queue: 1_000, allQueues: 10_000 },
  'catch-all': { seats: 8, perUser: 8, queue: 100, allQueues: 100 },
};

/** What the cluster lives by goes before what runs on it, and who does not say who he is comes last. */
export function levelOf({ user, groups: held }: Identity): LevelName {
  if (held.includes(groups.unauthenticated)) return 'catch-all';
  if (held.includes(groups.nodes)) return 'system';
  if (user.startsWith('system:kube-') || user.startsWith('system:serviceaccount:kube-system:')) return 'system';
  return 'workload';
}

/** Items of a list that cost about as much as a small request. */
const itemsPerSeat = 250;
const widestList = 10;

/** How many seats a list takes: `items` are those that it may have to read, `limit` what it asks for, if it does. */
export function listWidth(items: number, limit: number | undefined): number {
  const read = limit ? Math.min(items, limit) : items;
  return Math.min(widestList, 1 + Math.floor(read / itemsPerSeat));
}
