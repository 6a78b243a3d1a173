import { describe, expect, it } from 'vitest';
import {
  initialState,
  isEngineUp,
  mayRemoveOrphans,
  mayStartPods,
  type SyncEvent,
  type SyncState,
  transition,
} from './sync-state.ts';

const events: readonly SyncEvent[] = [
  'listed',
  'engineUp',
  'engineDown',
  'sourcesTimeout',
  'assigned',
  'leaseExpired',
  'cleaned',
];

/** phase/sources, and whether the engine is up. */
function nameOf(state: SyncState): string {
  const engine = state.phase === 'starting' ? '' : state.engineUp ? '/up' : '/down';
  return `${state.phase}/${state.sources}${engine}`;
}

/** Every state that can be reached, by name. */
function reachable(): Map<string, SyncState> {
  const found = new Map([[nameOf(initialState), initialState]]);
  for (const state of found.values()) {
    for (const event of events) {
      const next = transition(state, event);
      if (!found.has(nameOf(next))) found.set(nameOf(next), next);
    }
  }
  return found;
}

const cleaning = (engine: 'up' | 'down', other: 'up' | 'down') => {
  const [toggle, to] = engine === 'up' ? ['engineDown', other] : ['engineUp', other];
  return {
    [`cleaning/none/${engine}`]: {
      [toggle]: `cleaning/none/${to}`,
      sourcesTimeout: `cleaning/checkpoint/${engine}`,
      assigned: `cleaning/current/${engine}`,
    },
    [`cleaning/checkpoint/${engine}`]: {
      [toggle]: `cleaning/checkpoint/${to}`,
      assigned: `cleaning/current/${engine}`,
    },
    [`cleaning/current/${engine}`]: {
      [toggle]: `cleaning/current/${to}`,
      leaseExpired: `cleaning/stale/${engine}`,
      cleaned: `clean/current/${engine}`,
    },
    [`cleaning/stale/${engine}`]: {
      [toggle]: `cleaning/stale/${to}`,
      assigned: `cleaning/current/${engine}`,
    },
    [`clean/current/${engine}`]: {
      [toggle]: `clean/current/${to}`,
      leaseExpired: `cleaning/stale/${engine}`,
    },
  };
};

const expected: Record<string, Partial<Record<SyncEvent, string>>> = {
  'starting/none': {
    listed: 'cleaning/none/down',
    sourcesTimeout: 'starting/checkpoint',
    assigned: 'starting/current',
  },
  'starting/checkpoint': { listed: 'cleaning/checkpoint/down', assigned: 'starting/current' },
  'starting/current': { listed: 'cleaning/current/down', leaseExpired: 'starting/stale' },
  'starting/stale': { listed: 'cleaning/stale/down', assigned: 'starting/current' },
  ...cleaning('up', 'down'),
  ...cleaning('down', 'up'),
};

const ofAll = (check: (state: SyncState) => boolean): string[] =>
  [...reachable()].flatMap(([name, state]) => (check(state) ? [name] : [])).sort();

describe('the state of the node’s pods', () => {
  it('has these transitions, and no other', () => {
    const found = [...reachable()].map(([name, state]) => {
      const changes = events.flatMap((event) => {
        const next = transition(state, event);
        return next === state ? [] : [[event, nameOf(next)] as const];
      });
      return [name, Object.fromEntries(changes)] as const;
    });
    expect(Object.fromEntries(found)).toEqual(expected);
  });

  it('says that the engine is up only when it is', () => {
    expect(ofAll(isEngineUp)).toEqual(
      Object.keys(expected)
        .filter((name) => name.endsWith('/up'))
        .sort(),
    );
  });

  it('lets pods start once the runtime is listed, and assignments or the checkpoint are known to hold', () => {
    expect(ofAll(mayStartPods)).toEqual(
      Object.keys(expected)
        .filter((name) => !name.startsWith('starting') && !name.includes('/none/'))
        .sort(),
    );
  });

  it('lets orphaned pods be removed once the runtime is listed and the control plane has sent its assignments', () => {
    expect(ofAll(mayRemoveOrphans)).toEqual(
      Object.keys(expected)
        .filter((name) => !name.startsWith('starting') && /current|stale/.test(name))
        .sort(),
    );
  });
});
