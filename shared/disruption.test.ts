import { expect, it } from 'vitest';
import { disruptionAllowed, disruptionUnknown } from './disruption.ts';

const [start, later] = [Date.parse('2026-01-01T00:00:00Z'), Date.parse('2026-01-01T00:01:00Z')];

it('a budget’s condition reports whether it allows a disruption, in Kubernetes’ words', () => {
  const base = {
    type: 'DisruptionAllowed',
    observedGeneration: 3,
    message: '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  expect(disruptionAllowed(undefined, 1, 3, start)).toEqual([{ ...base, status: 'True', reason: 'SufficientPods' }]);
  expect(disruptionAllowed([], 0, 3, start)).toEqual([{ ...base, status: 'False', reason: 'InsufficientPods' }]);
  expect(disruptionUnknown([], 'no controller', 3, start)).toEqual([
    { ...base, status: 'False', reason: 'SyncFailed', message: 'no controller' },
  ]);
});

it('its time is that of the last change of its status, and other conditions stay', () => {
  const other = { type: 'Other', status: 'True' as const, reason: 'So', lastTransitionTime: '2025-01-01T00:00:00Z' };
  const allowed = disruptionAllowed([other], 2, 1, start);
  const [kept, same] = disruptionAllowed(allowed, 1, 2, later);
  expect(kept).toEqual(other);
  expect(same).toMatchObject({ status: 'True', observedGeneration: 2, lastTransitionTime: '2026-01-01T00:00:00Z' });
  const [, gone] = disruptionAllowed(allowed, 0, 2, later);
  expect(gone).toMatchObject({ status: 'False', lastTransitionTime: '2026-01-01T00:01:00Z' });
  const [, unknown] = disruptionUnknown(disruptionAllowed([other], 0, 1, start), 'why', 2, later);
  expect(unknown).toMatchObject({ reason: 'SyncFailed', lastTransitionTime: '2026-01-01T00:00:00Z' });
});
