import { AlarmAction, AlarmType } from 'etcd3';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../shared/log.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { FakeEtcd, grpcError, header, unavailable } from '../../../test/support/fake-etcd.ts';
import { keepEtcdSpace } from './space.ts';

const mib = 1024 * 1024;

/** An etcd whose revision grows by 10 with each check; the test sets alarms and sizes. */
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

describe('the space keeper of etcd', () => {
  it('checks every ten seconds, and keeps history while at most half of the quota is in use', async () => {
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

  it('compacts to the revision of the last check when more than half is in use', async () => {
    const { clock, state, end, compactions } = setup(100 * mib);
    state.inUse = 50 * mib + 1;
    await clock.advance(0);
    expect(compactions()).toEqual([]);
    await clock.advance(20_000);
    expect(compactions()).toEqual([10, 20]);
    await end();
  });

  it('uses the allocated size when etcd does not report the size in use', async () => {
    const { clock, state, end, compactions } = setup(100 * mib);
    state.inUse = 0;
    await clock.advance(10_000);
    expect(compactions()).toEqual([10]);
    await end();
  });

  it('keeps the history of an etcd without our quota', async () => {
    const { clock, state, end, compactions } = setup(undefined);
    state.inUse = 10_000 * mib;
    await clock.advance(30_000);
    expect(compactions()).toEqual([]);
    await end();
  });

  it('compacts, defragments and disarms the alarm when etcd is full, and then waits a minute', async () => {
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

  it('only compacts an operator’s etcd when it is full', async () => {
    const { clock, etcd, end } = setup(undefined, [{ memberID: '7', alarm: 'NOSPACE' }]);
    await clock.advance(0);
    expect(etcd.calls.map(({ name }) => name)).toEqual(['alarm', 'status', 'compact']);
    await end();
  });

  it('does nothing when etcd has another alarm', async () => {
    const { clock, etcd, end } = setup(100 * mib, [{ memberID: '8', alarm: 'CORRUPT' }]);
    await clock.advance(0);
    expect(etcd.calls.map(({ name }) => name)).toEqual(['alarm', 'status']);
    await end();
  });

  it('continues after failures, and treats compacted history as compacted', async () => {
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
