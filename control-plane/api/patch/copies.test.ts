import { describe, expect, it } from 'vitest';
import { applyJsonPatch } from './json.ts';

describe('copies of a JSON patch', () => {
  it('that double the document end early, in Kubernetes words, however often they would', () => {
    const patch = Array.from({ length: 500 }, (_, i) => ({ op: 'copy', from: '/a', path: `/a/k${i}` }));
    const began = performance.now();
    expect(() => applyJsonPatch({ a: { text: 'x'.repeat(1_000) } }, patch)).toThrow(
      /accumulated size increase of copy is \d+, exceeding the limit 3145728/,
    );
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('may be as many as they like while they are small, and share nothing', () => {
    const patch = Array.from({ length: 5_000 }, (_, i) => ({ op: 'copy', from: '/a', path: `/k${i}` }));
    const made = applyJsonPatch({ a: { b: [] } }, patch) as Record<string, { b: unknown[] }>;
    made.k1?.b.push(1);
    expect(made.k2).toEqual({ b: [] });
    expect(Object.keys(made)).toHaveLength(5_001);
  });
});
