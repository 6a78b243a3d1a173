import { expect, it } from 'vitest';
import type { Pod } from '../../shared/generated/types.ts';
import { rankForDeletion } from './rank.ts';

it('of ready pods the one that is ready last goes first; one that does not say since when counts as the last', () => {
  const ready = (name: string, lastTransitionTime?: string): Pod =>
    ({
      metadata: { name, creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { containers: [], nodeName: name },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime }] },
    }) as unknown as Pod;
  const pods = [ready('old', '2026-01-01T01:00:00Z'), ready('young', '2026-01-01T02:00:00Z'), ready('undated')];
  expect(rankForDeletion(pods).map(({ metadata }) => metadata.name)).toEqual(['undated', 'young', 'old']);
});
