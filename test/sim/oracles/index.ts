import type { History, Oracle } from '../history.ts';
import { acknowledgedIsStored } from './acknowledged.ts';
import { ownAddresses } from './addresses.ts';
import { boundOnce } from './binding.ts';
import { evictionsWithinBudgets } from './budgets.ts';
import { committedWithinCapacity } from './commitments.ts';
import { enginesRunWhatIsBound } from './engines.ts';
import { onlyTheLeaderActs } from './leaders.ts';
import { ownersKeepDependents } from './owners.ts';
import { podsWithinQuotas } from './quotas.ts';
import { noMoreReplicasThanWanted } from './replicas.ts';
import { rolloutsWithinBounds } from './rollouts.ts';
import { statusesMoveForward } from './statuses.ts';

/** What holds at every moment of a run, whatever fails. */
export const oracles: Readonly<Record<string, Oracle>> = {
  acknowledgedIsStored,
  boundOnce,
  committedWithinCapacity,
  enginesRunWhatIsBound,
  evictionsWithinBudgets,
  noMoreReplicasThanWanted,
  onlyTheLeaderActs,
  ownAddresses,
  ownersKeepDependents,
  podsWithinQuotas,
  rolloutsWithinBounds,
  statusesMoveForward,
};

/** The promises that the history breaks, the name of the oracle before each. */
export function judge(history: History): string[] {
  return Object.entries(oracles).flatMap(([name, oracle]) => oracle(history).map((fault) => `${name}: ${fault}`));
}
