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
  expect(again).toMatchObject({ message: 'no image', count: 2, first: start, write: true });
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

test('after ten minutes without any, similar events are writes apart again', () => {
  const correlator = new EventCorrelator();
  for (let index = 0; index < 12; index++) correlator.note(occurrence(`try ${index}`), start);
  expect(correlator.note(occurrence('try again'), start + 600_001)).toMatchObject({ message: 'try again', count: 1 });
});

test('one object gets 25 events at once and then one in five minutes; those between are counted', () => {
  const correlator = new EventCorrelator();
  const writes = Array.from({ length: 30 }, () => correlator.note(occurrence('again'), start).write);
  expect(writes.filter((each) => each).length).toBe(25);
  expect(correlator.note(occurrence('else', { object: 'Pod/shop/other/u2' }), start).write).toBe(true);
  expect(correlator.note(occurrence('again'), start + 299_000).write).toBe(false);
  expect(correlator.note(occurrence('again'), start + 301_000)).toMatchObject({ write: true, count: 32 });
});

test('a series is written when it starts, then less often the longer it lasts, without using up the budget of other events', () => {
  const correlator = new EventCorrelator();
  const series = occurrence('no room', { series: true });
  const writes: [second: number, count: number][] = [];
  for (let second = 0; second <= 3_600; second++) {
    const { write, count } = correlator.note(series, start + second * 1_000);
    if (write) writes.push([second, count]);
  }
  expect(writes.slice(0, 8).map(([second]) => second)).toEqual([0, 1, 2, 3, 4, 6, 8, 11]);
  expect(writes.every(([second, count]) => count === second + 1)).toBe(true);
  expect(writes.length).toBeLessThan(40);
  expect(correlator.note(occurrence('placed', { reason: 'Scheduled' }), start).write).toBe(true);
});

test('the number of remembered events is bounded', () => {
  const correlator = new EventCorrelator({ remembered: 2 });
  for (const name of ['a', 'b', 'c']) correlator.note(occurrence('x', { object: name }), start);
  expect(correlator.note(occurrence('x', { object: 'a' }), start).count).toBe(1);
  expect(correlator.note(occurrence('x', { object: 'c' }), start).count).toBe(2);
});

test('a series is written again at once after the clock was set back, and then at its pace', () => {
  const correlator = new EventCorrelator();
  const series = occurrence('no room', { series: true });
  const writtenAt = (second: number) => correlator.note(series, start + second * 1_000).write;
  for (let second = 0; second < 100; second++) writtenAt(second);
  expect([writtenAt(-3_600), writtenAt(-3_600), writtenAt(-3_599)]).toEqual([true, false, true]);
});

test('a series that lasts a day is written every five minutes, within its bounds', () => {
  const correlator = new EventCorrelator();
  const series = occurrence('no room', { series: true });
  correlator.note(series, start);
  correlator.note(series, start);
  const at = (ms: number) => correlator.note(series, start + ms).write;
  expect([at(999), at(1_000)]).toEqual([false, true]);
  expect(at(86_400_000)).toBe(true);
  expect([at(86_400_000 + 299_999), at(86_400_000 + 300_000)]).toEqual([false, true]);
});

test('a written event that no longer exists restarts its count', () => {
  const correlator = new EventCorrelator();
  const { key } = correlator.note(occurrence('again', { series: true }), start);
  correlator.note(occurrence('again', { series: true }), start + 1_000);
  correlator.restart(key, 1, start + 5_000);
  expect(correlator.note(occurrence('again', { series: true }), start + 6_000)).toMatchObject({
    count: 2,
    first: start + 5_000,
    write: true,
  });
  correlator.restart(key, 9, start + 10_000);
  expect(correlator.note(occurrence('again', { series: true }), start + 10_500)).toMatchObject({
    count: 10,
    write: false,
  });
});

test('events of another type, reason or object are never combined', () => {
  const correlator = new EventCorrelator();
  for (let index = 0; index < 9; index++) correlator.note(occurrence(`try ${index}`), start);
  for (const other of [{ type: 'Normal' }, { reason: 'Other' }, { object: 'Pod/shop/b/u2' }, { source: 'x' }]) {
    expect(correlator.note(occurrence('the tenth', other), start).message).toBe('the tenth');
  }
  expect(correlator.note(occurrence('the tenth'), start).message).toBe('(combined from similar events): the tenth');
});

test('similar events are combined up to ten minutes after the last of them', () => {
  const correlator = new EventCorrelator();
  for (let index = 0; index < 10; index++) correlator.note(occurrence(`try ${index}`), start);
  expect(correlator.note(occurrence('try 10'), start + 600_000)).toMatchObject({ count: 2 });
  expect(correlator.note(occurrence('try 11'), start + 1_200_000)).toMatchObject({ count: 3 });
});

test('an object gets one more event every five minutes, up to 25', () => {
  const correlator = new EventCorrelator();
  const writtenAt = (second: number) => correlator.note(occurrence('again'), start + second * 1_000).write;
  for (let index = 0; index < 25; index++) writtenAt(0);
  expect([writtenAt(299), writtenAt(300), writtenAt(301)]).toEqual([false, true, false]);
  expect(writtenAt(100)).toBe(false);
  const after = Array.from({ length: 30 }, () => writtenAt(1_000_000));
  expect(after.filter((writes) => writes)).toHaveLength(25);
});
