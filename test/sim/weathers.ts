import type { RunOptions } from './run.ts';

/** Everything happens at once: users change their minds, machines and servers fail. */
export const storm: RunOptions = {
  nodes: 8,
  servers: 2,
  stormMs: 60_000,
  happen: (users, faults, chance) => {
    if (chance < 0.5) users.act();
    else if (chance < 0.85) faults.strikeNode();
    else faults.strikeServer();
  },
};

/** Machines are whole, and pods end by evictions only, while servers and watches fail: budgets must be kept to the pod. */
export const drain: RunOptions = {
  nodes: 5,
  servers: 3,
  stormMs: 40_000,
  happen: (users, faults, chance) => {
    if (chance < 0.8) users.evict();
    else faults.strikeServer();
  },
};
