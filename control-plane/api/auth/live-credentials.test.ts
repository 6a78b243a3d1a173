import { describe, expect, test } from 'vitest';
import type { NodeEnrollment, NodeEnrollmentSpec } from '../../../shared/generated/types.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { LiveCredentials } from './live-credentials.ts';
import { isEnrolled } from './node-certificates.ts';

const day = 24 * 60 * 60 * 1000;

function enrollment(name: string, spec: Partial<NodeEnrollmentSpec>): NodeEnrollment {
  const metadata = { name, uid: name, resourceVersion: '1', creationTimestamp: '' };
  return {
    apiVersion: 'coracle.io/v1',
    kind: 'NodeEnrollment',
    metadata,
    spec: { certificateUID: 'u1', ...spec },
  };
}

function setUp(nodes: (node: { name: string }) => boolean | Promise<boolean> = () => true) {
  const clock = new VirtualClock();
  const live = new LiveCredentials({ clock, nodes: { isGood: nodes } });
  const ended: string[] = [];
  const follow = (name: string, parts: { uid?: string; lifeMs?: number } = {}) =>
    live.follow(
      { notAfter: clock.now() + (parts.lifeMs ?? 30 * day), node: { name, uid: parts.uid } },
      ({ reason, message }) => ended.push(`${name}: ${reason}: ${message}`),
    );
  const change = (name: string, spec?: Partial<NodeEnrollmentSpec>): void =>
    live.note([{ kind: 'NodeEnrollment', key: name, ...(spec ? { after: enrollment(name, spec) } : {}) }]);
  return { clock, live, ended, follow, change };
}

const removed = (name: string) =>
  `${name}: Unauthorized: the certificate of node "${name}" no longer counts: the node was removed or enrolled anew`;

describe('a stream ends', () => {
  test('with its certificate, to the millisecond, also when that lives for longer than a timer can', async () => {
    const { clock, live, ended } = setUp();
    live.follow({ notAfter: clock.now() + 60 * day }, ({ message }) => ended.push(message));
    await clock.advance(60 * day - 1);
    expect(ended).toEqual([]);
    await clock.advance(1);
    expect(ended).toEqual(['the client certificate has expired']);
  });

  test('when its node is removed or enrolled again, and those of other nodes do not', () => {
    const { ended, follow, change } = setUp();
    for (const name of ['a', 'b', 'c']) follow(name, { uid: 'u1' });
    follow('old');
    change('a', { removed: true });
    expect(ended).toEqual([removed('a')]);
    change('b', { certificateUID: 'u2' });
    change('c', { nodeUID: 'n1' });
    change('old', { certificateUID: 'u2', acceptsWithoutUID: true });
    expect(ended.slice(1)).toEqual([removed('b')]);
    change('old', { certificateUID: 'u3' });
    change('c');
    expect(ended.slice(2)).toEqual([removed('old'), removed('c')]);
  });

  test('when its node was removed before it could be followed, and not while the cache is behind', async () => {
    const { clock, ended, follow } = setUp(async ({ name }) => name === 'new');
    follow('new', { uid: 'u1' });
    follow('gone', { uid: 'u1' });
    await clock.advance(0);
    expect(ended).toEqual([removed('gone')]);
  });

  test('once, and not when it has ended by itself', async () => {
    const { clock, ended, follow, change } = setUp();
    const stop = follow('a', { uid: 'u1', lifeMs: 1_000 });
    follow('b', { uid: 'u1', lifeMs: 1_000 });
    stop();
    change('b', { removed: true });
    change('b');
    await clock.advance(2_000);
    expect(ended).toEqual([removed('b')]);
  });
});

test('a certificate without a uid is accepted until its node is removed or enrolled again', () => {
  const old = { name: 'a', uid: undefined };
  expect(isEnrolled(old, undefined)).toBe(true);
  expect(isEnrolled(old, enrollment('a', { acceptsWithoutUID: true }))).toBe(true);
  expect(isEnrolled(old, enrollment('a', { acceptsWithoutUID: true, removed: true }))).toBe(false);
  expect(isEnrolled(old, enrollment('a', {}))).toBe(false);
  expect(isEnrolled({ name: 'a', uid: 'u1' }, undefined)).toBe(false);
});
