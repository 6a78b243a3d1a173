import { expect, test } from 'vitest';
import { EventCorrelator, type Occurrence } from './event-correlator.ts';

const start = Date.parse('2026-01-01T00:00:00Z');

function occurrence(message: string, more: Partial<Occurrence> = {}): Occurrence {
  return { source: 'kubelet, n1', object: 'Pod/shop/web/u1', type: 'Warning', reason: 'Failed', message, ...more };
}

test('the same again is one event, which counts from its first time on', () => {
  const correlator = new EventCorrelator();
  correlator.note(occurrence('no image'), start);
  const again = correlator.note(occurrence('no image'), start + 5_000);
  expect(again).toMatchObject({ message: 'no image', count: 2, first: start, tell: true });
});

test('other words, another part of the object, or another source are another event', () => {
  const correlator = new EventCorrelator();
  const keys = [
    occurrence('a'),
    occurrence('b'),
    occurrence('a', { fieldPath: 'spec.containers{app}' }),
    occurrence('a', { source: 'scheduler' }),
  ].map((each) => correlator.note(each, start).key);
  expect(new Set(keys).size).toBe(4);
});

test('from the tenth different message on, similar events are combined into one that counts', () => {
  const correlator = new EventCorrelator();
  const notes = Array.from({ length: 12 }, (_, index) => correlator.note(occurrence(`try ${index}`), start + index));
  expect(notes.map(({ message }) => message).slice(8)).toEqual([
    'try 8',
    '(combined from similar events): try 9',
    '(combined from similar events): try 10',
    '(combined from similar events): try 11',
  ]);
  expect(notes.map(({ count }) => count).slice(8)).toEqual([1, 1, 2, 3]);
  expect(new Set(notes.slice(9).map(({ key }) => key)).size).toBe(1);
});

test('after ten minutes without any, similar events are told apart again', () => {
  const correlator = new EventCorrelator();
  for (let index = 0; index < 12; index++) correlator.note(occurrence(`try ${index}`), start);
  expect(correlator.note(occurrence('try again'), start + 600_001)).toMatchObject({ message: 'try again', count: 1 });
});

test('one object gets 25 events at once and then one in five minutes; those between are counted', () => {
  const correlator = new EventCorrelator();
  const told = Array.from({ length: 30 }, () => correlator.note(occurrence('again'), start).tell);
  expect(told.filter((each) => each).length).toBe(25);
  expect(correlator.note(occurrence('else', { object: 'Pod/shop/other/u2' }), start).tell).toBe(true);
  expect(correlator.note(occurrence('again'), start + 299_000).tell).toBe(false);
  expect(correlator.note(occurrence('again'), start + 301_000)).toMatchObject({ tell: true, count: 32 });
});

test('a series is told when it begins, then the more seldom the longer it goes on, and takes nothing from other events', () => {
  const correlator = new EventCorrelator();
  const series = occurrence('no room', { series: true });
  const told: [second: number, count: number][] = [];
  for (let second = 0; second <= 3_600; second++) {
    const { tell, count } = correlator.note(series, start + second * 1_000);
    if (tell) told.push([second, count]);
  }
  expect(told.slice(0, 8).map(([second]) => second)).toEqual([0, 1, 2, 3, 4, 6, 8, 11]);
  expect(told.every(([second, count]) => count === second + 1)).toBe(true);
  expect(told.length).toBeLessThan(40);
  expect(correlator.note(occurrence('placed', { reason: 'Scheduled' }), start).tell).toBe(true);
});

test('what is remembered is bounded', () => {
  const correlator = new EventCorrelator({ remembered: 2 });
  for (const name of ['a', 'b', 'c']) correlator.note(occurrence('x', { object: name }), start);
  expect(correlator.note(occurrence('x', { object: 'a' }), start).count).toBe(1);
  expect(correlator.note(occurrence('x', { object: 'c' }), start).count).toBe(2);
});
