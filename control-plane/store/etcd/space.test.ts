import { AlarmAction, AlarmType } from 'etcd3';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../shared/log.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { FakeEtcd, grpcError, header, unavailable } from '../../../test/support/fake-etcd.ts';
import { keepEtcdSpace } from './space.ts';

const mib = 1024 * 1024;

/** An etcd whose revision grows by 10 from look to look; alarms and sizes are the test's. */
function setup(quota: number | undefined, alarms: { memberID: string; alarm: string }[] = [], everyMs?: number) {
  const clock = new VirtualClock();
  const etcd = new FakeEtcd();
  const state = { inUse: 10 * mib, allocated: 900 * mib, alarms };
  let revision = 0;
  etcd.answers.alarm = () => ({ alarms: state.alarms });
  etcd.answers.status = () => {
    revision += 10;
    return { header: header(revision), dbSize: `${state.allocated}`, dbSizeInUse: `${state.inUse}` };
  };
  etcd.answers.compact = () => ({});
  etcd.answers.defragment = () => ({});
  const stop = new AbortController();
  const deps = {
    endpoints: [],
    clock,
    log: silentLog,
    client: etcd.client,
    ...(quota ? { quota } : {}),
    ...(everyMs ? { everyMs } : {}),
  };
  const running = keepEtcdSpace(deps, stop.signal);
  const end = async () => {
    stop.abort();
    await running;
  };
  const compactions = () => etcd.named('compact').map(({ request }) => request.revision);
  const looks = () => etcd.named('alarm').filter(({ request }) => request.action === AlarmAction.Get).length;
  return { clock, etcd, state, end, compactions, looks };
}

describe('the keeper of etcd’s space', () => {
  it('looks every ten seconds, and leaves history alone while no more than half of the quota is in use', async () => {
    const { clock, etcd, state, end, compactions, looks } = setup(100 * mib);
    state.inUse = 50 * mib;
    await clock.advance(30_000);
    expect([looks(), compactions()]).toEqual([4, []]);
    expect(etcd.calls.every(({ deadline }) => deadline <= clock.now() + 5_000 && deadline > clock.now() - 26_000)).toBe(
      true,
    );
    await end();
    expect(etcd.closed).toBe(1);
  });

  it('beyond half of it keeps history only from the last look on', async () => {
    const { clock, state, end, compactions } = setup(100 * mib);
    state.inUse = 50 * mib + 1;
    await clock.advance(0);
    expect(compactions()).toEqual([]);
    await clock.advance(20_000);
    expect(compactions()).toEqual([10, 20]);
    await end();
  });

  it('goes by what is allocated where etcd does not say what is in use', async () => {
    const { clock, state, end, compactions } = setup(100 * mib);
    state.inUse = 0;
    await clock.advance(10_000);
    expect(compactions()).toEqual([10]);
    await end();
  });

  it('leaves the history of an etcd that has no quota of ours to its operator', async () => {
    const { clock, state, end, compactions } = setup(undefined);
    state.inUse = 10_000 * mib;
    await clock.advance(30_000);
    expect(compactions()).toEqual([]);
    await end();
  });

  it('when etcd is full forgets all history, gives its space back and ends the alarm, and leaves it a minute', async () => {
    const { clock, etcd, state, end, compactions, looks } = setup(100 * mib, [
      { memberID: '7', alarm: 'Nospace' },
      { memberID: '8', alarm: 'CORRUPT' },
      { memberID: '9', alarm: 'NOSPACE' },
    ]);
    await clock.advance(0);
    expect(etcd.calls.map(({ name }) => name)).toEqual([
      'alarm',
      'status',
      'compact',
      'defragment',
      'alarm',
      'alarm',
      'status',
    ]);
    expect(etcd.named('compact')[0]?.request).toEqual({ revision: 10, physical: true });
    expect(
      etcd
        .named('alarm')
        .slice(1)
        .map(({ request }) => request),
    ).toEqual(['7', '9'].map((memberID) => ({ action: AlarmAction.Deactivate, memberID, alarm: AlarmType.Nospace })));
    const [defragment, compaction] = [etcd.named('defragment')[0], etcd.named('compact')[0]];
    expect([defragment?.deadline, compaction?.deadline]).toEqual([clock.now() + 120_000, clock.now() + 120_000]);
    state.alarms = [];
    await clock.advance(59_999);
    expect(looks()).toBe(1);
    await clock.advance(1);
    expect([looks(), compactions()]).toEqual([2, [10]]);
    await end();
  });

  it('when an operator’s etcd is full only forgets its history', async () => {
    const { clock, etcd, end } = setup(undefined, [{ memberID: '7', alarm: 'NOSPACE' }]);
    await clock.advance(0);
    expect(etcd.calls.map(({ name }) => name)).toEqual(['alarm', 'status', 'compact']);
    await end();
  });

  it('leaves alone an etcd that is out of order for another reason', async () => {
    const { clock, etcd, end } = setup(100 * mib, [{ memberID: '8', alarm: 'CORRUPT' }]);
    await clock.advance(0);
    expect(etcd.calls.map(({ name }) => name)).toEqual(['alarm', 'status']);
    await end();
  });

  it('goes on after failures, and takes history that is gone already for forgotten', async () => {
    const { clock, etcd, state, end, compactions, looks } = setup(100 * mib, [], 1_000);
    state.inUse = 60 * mib;
    const { status } = etcd.answers;
    etcd.answers.status = () => {
      throw unavailable();
    };
    await clock.advance(2_000);
    expect([looks(), compactions()]).toEqual([3, []]);
    etcd.answers.status = status as NonNullable<typeof status>;
    etcd.answers.compact = () => {
      throw grpcError(11, '11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted');
    };
    await clock.advance(3_000);
    expect(compactions()).toEqual([10, 20]);
    etcd.answers.compact = () => {
      throw unavailable();
    };
    state.alarms = [{ memberID: '7', alarm: 'NOSPACE' }];
    await clock.advance(1_000);
    expect(etcd.named('defragment')).toEqual([]);
    etcd.answers.compact = () => ({});
    await clock.advance(1_000);
    expect(etcd.named('defragment')).toHaveLength(1);
    await end();
  });
});
