import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WinnerTree } from './winner-tree.ts';

/** Scores by number; undefined: no candidate. The higher score is the better, of equal ones the lower number. */
type Scores = (number | undefined)[];

function better(scores: Scores): (a: number, b: number) => boolean {
  return (a, b) => {
    const [left, right] = [scores[a], scores[b]];
    if (left === undefined || right === undefined) throw new Error('compared with something that is no candidate');
    return left > right || (left === right && a < b);
  };
}

function bestOf(scores: Scores): number {
  let best = -1;
  for (const [at, score] of scores.entries())
    if (score !== undefined && (best < 0 || score > (scores[best] ?? 0))) best = at;
  return best;
}

const score = fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined });

describe('a winner tree', () => {
  it('has no winner before there is a candidate', () => {
    const tree = new WinnerTree(() => true);
    expect(tree.winner).toBe(-1);
    tree.rebuild(3, () => false);
    expect(tree.winner).toBe(-1);
  });

  it('has the best candidate at hand after every change, however many candidates there come to be', () => {
    const changes = fc.array(fc.tuple(fc.nat(20), score), { maxLength: 25 });
    fc.assert(
      fc.property(fc.array(score, { maxLength: 9 }), changes, (initial, changes) => {
        const scores: Scores = [...initial];
        const tree = new WinnerTree(better(scores));
        tree.rebuild(scores.length, (at) => scores[at] !== undefined);
        expect(tree.winner).toBe(bestOf(scores));
        for (const [at, score] of changes) {
          while (scores.length < at) scores.push(undefined);
          scores[at] = score;
          tree.set(at, score !== undefined);
          expect(tree.winner).toBe(bestOf(scores));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('forgets the candidates that a rebuild leaves out', () => {
    const scores: Scores = [1, 2, 3, 4, 5];
    const tree = new WinnerTree(better(scores));
    tree.rebuild(5, () => true);
    tree.rebuild(2, () => true);
    expect(tree.winner).toBe(1);
    tree.rebuild(5, (at) => at < 4);
    expect(tree.winner).toBe(3);
  });

  it('takes a change of one among a thousand in with no more than ten comparisons', () => {
    const scores: Scores = Array.from({ length: 1_000 }, (_, at) => at);
    let comparisons = 0;
    const compare = better(scores);
    const tree = new WinnerTree((a, b) => {
      comparisons++;
      return compare(a, b);
    });
    tree.rebuild(1_000, () => true);
    comparisons = 0;
    scores[500] = 2_000;
    tree.set(500, true);
    expect(tree.winner).toBe(500);
    expect(comparisons).toBeLessThanOrEqual(10);
  });
});
