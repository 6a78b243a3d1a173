import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../shared/clock.ts';
import { isApiError } from '../../../shared/errors.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { FakeEtcd, unavailable } from '../../../test/support/fake-etcd.ts';
import { LeaseKeepAlive } from './lease-keepalive.ts';

function setup(timers?: Clock) {
  const clock = new VirtualClock();
  const etcd = new FakeEtcd();
  const keeper = new LeaseKeepAlive({ client: etcd.client, clock: timers ?? clock });
  /** How the renewals came out, in the order in which they did. */
  const outcomes: string[] = [];
  const renew = (lease: string, name = lease): void => {
    keeper.keepAlive(lease, 1_000).then(
      (alive) => outcomes.push(`${name} ${alive}`),
      (error: unknown) => outcomes.push(`${name} ${isApiError(error) ? error.reason : String(error)}`),
    );
  };
  const written = (stream: number) => etcd.keepalives[stream]?.written.map(({ ID }) => ID);
  const answer = (ID: string, TTL: number, stream = etcd.keepalives.length - 1) =>
    etcd.keepalives[stream]?.say({ ID, TTL: `${TTL}` });
  return { clock, etcd, keeper, outcomes, renew, written, answer, settle: () => clock.advance(0) };
}

describe('the lease keeper', () => {
  it('renews all leases over one stream, and reports whether each still exists', async () => {
    const { etcd, renew, written, answer, outcomes, settle } = setup();
    renew('1');
    renew('2');
    renew('3');
    await settle();
    expect([etcd.keepalives.length, written(0)]).toEqual([1, ['1', '2', '3']]);
    answer('2', 0);
    answer('1', 30);
    await settle();
    expect(outcomes).toEqual(['2 false', '1 true']);
    answer('3', 30);
    await settle();
    expect(outcomes[2]).toBe('3 true');
  });

  it('answers several renewals of one lease in order', async () => {
    const { renew, answer, outcomes, settle } = setup();
    renew('1', 'first');
    renew('1', 'second');
    await settle();
    answer('1', 30);
    await settle();
    expect(outcomes).toEqual(['first true']);
    answer('1', 0);
    answer('1', 30);
    answer('unknown', 30);
    await settle();
    expect(outcomes).toEqual(['first true', 'second false']);
  });

  it('fails pending renewals when the stream breaks or ends, and opens another for the next', async () => {
    const { etcd, renew, answer, outcomes, settle } = setup();
    renew('1');
    renew('2');
    await settle();
    etcd.keepalives[0]?.break(unavailable());
    await settle();
    expect(outcomes).toEqual(['1 ServiceUnavailable', '2 ServiceUnavailable']);
    renew('3');
    await settle();
    expect(etcd.keepalives).toHaveLength(2);
    etcd.keepalives[1]?.finish();
    await settle();
    expect(outcomes[2]).toBe('3 ServiceUnavailable');
    renew('4');
    await settle();
    answer('4', 30);
    await settle();
    expect([outcomes[3], etcd.keepalives.length]).toEqual(['4 true', 3]);
  });

  it('closes the stream when one renewal is not answered in time, since answers are in order', async () => {
    const { clock, etcd, renew, answer, outcomes, settle } = setup();
    renew('1');
    await settle();
    answer('1', 30);
    await clock.advance(600);
    renew('2');
    await clock.advance(999);
    renew('3');
    await settle();
    expect(outcomes).toEqual(['1 true']);
    await clock.advance(1);
    expect(outcomes.slice(1)).toEqual(['2 Timeout', '3 Timeout']);
    expect(etcd.keepalives[0]?.cancels).toBe(1);
    renew('4');
    await settle();
    answer('4', 30);
    await clock.advance(2_000);
    expect([outcomes.slice(3), etcd.keepalives.length]).toEqual([['4 true'], 2]);
  });

  it('fails renewals while no stream can be opened, and recovers', async () => {
    const { etcd, renew, answer, outcomes, settle } = setup();
    etcd.refusal = unavailable();
    renew('1');
    await settle();
    expect(outcomes).toEqual(['1 ServiceUnavailable']);
    etcd.refusal = undefined;
    renew('1');
    await settle();
    answer('1', 30);
    await settle();
    expect(outcomes[1]).toBe('1 true');
  });

  it('fails pending and new renewals after a close, and closes its stream', async () => {
    const { etcd, keeper, renew, outcomes, settle } = setup();
    renew('1');
    await settle();
    renew('2');
    await keeper.close();
    renew('3');
    await settle();
    expect(outcomes.sort()).toEqual(['1 ServiceUnavailable', '2 ServiceUnavailable', '3 ServiceUnavailable']);
    expect([etcd.keepalives.length, etcd.keepalives[0]?.cancels]).toEqual([1, 1]);
    const unused = setup();
    await unused.keeper.close();
    expect(unused.etcd.keepalives).toEqual([]);
  });

  it('refuses renewals beyond 20,000 pending ones, and accepts more when they are answered', async () => {
    // So many timers are more than a virtual clock keeps in order quickly.
    const { keeper, answer, settle } = setup({ ...systemClock, timer: () => ({ cancel: () => undefined }) });
    const waiting = Array.from({ length: 20_000 }, () => keeper.keepAlive('1', 1_000));
    await settle();
    await expect(keeper.keepAlive('2', 1_000)).rejects.toMatchObject({ reason: 'TooManyRequests' });
    answer('1', 30);
    await waiting[0];
    const next = keeper.keepAlive('1', 1_000);
    await settle();
    for (let i = 0; i < 20_000; i++) answer('1', 30);
    expect(await next).toBe(true);
    expect((await Promise.all(waiting)).every((alive) => alive)).toBe(true);
  });
});
