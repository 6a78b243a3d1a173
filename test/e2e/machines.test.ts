import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAt, engineReady, loadImage } from '../../deploy/cluster/engine.ts';
import {
  holdProgram,
  install,
  installEngine,
  powerCut,
  powerOn,
  programLog,
  programPid,
  runOn,
  signalProgram,
} from '../../deploy/cluster/machine.ts';
import { chooseRuntime, machineHosting } from '../../deploy/cluster/machines.ts';
import { chooseNetworks, createSwitch, namespaces, setCable } from '../../deploy/cluster/network.ts';
import { type ClusterPlan, clusterId, type MachinePlan, planCluster } from '../../deploy/cluster/plan.ts';
import { run, tryRun } from '../../deploy/cluster/run.ts';
import { busyboxImage, imageArchive, streamOf } from '../../deploy/images.ts';
import { systemClock as clock } from '../../shared/clock.ts';
import { eventually } from '../support/eventually.ts';

/** The machine layer by itself: engines and a stand-in for the agent, no control plane. */
describe('machines on one machine', () => {
  let dir: string;
  let plan: ClusterPlan;
  let one: MachinePlan;
  let two: MachinePlan;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'machines-'));
    plan = planCluster({ dir, nodes: 2, ...(await chooseNetworks(clusterId(dir))) });
    [, one, two] = plan.machines as [MachinePlan, MachinePlan, MachinePlan];
    await createSwitch(plan);
    const archive = await imageArchive(busyboxImage('machines/shell:1'));
    const runtime = await chooseRuntime();
    for (const machine of [one, two]) {
      await installEngine(machine, runtime);
      await powerOn(plan, machine, clock);
      await install(machine, 'agent', ['sleep', '100000']);
    }
    for (const machine of [one, two]) {
      await engineReady(engineAt(machine.engine), clock);
      await loadImage(engineAt(machine.engine), streamOf(archive));
    }
  }, 90_000);

  afterAll(async () => {
    await machineHosting(plan, { name: 'none' }, clock).destroy();
    rmSync(dir, { recursive: true, force: true });
    expect(await namespaces(plan.id)).toEqual([]);
    expect((await run('ip', ['-o', 'link'])).includes(plan.hostLink)).toBe(false);
  }, 60_000);

  it('gives each machine its own name, processes, network and engine', async () => {
    expect(await runOn(one, ['cat', '/proc/sys/kernel/hostname'])).toBe('node-1\n');
    expect(await runOn(two, ['sh', '-c', 'ls /run/netns 2>/dev/null | wc -l'])).toBe('0\n');
    expect(await runOn(one, ['ls', '/sys/class/net'])).toBe('eth0\nlo\n');
    const ids = await Promise.all([one, two].map(async (m) => (await engineAt(m.engine).info()).ID));
    expect(new Set(ids).size).toBe(2);
  });

  it('reaches machines from the host and from each other', async () => {
    await run('busybox', ['ping', '-c', '1', '-W', '2', one.address]);
    await runOn(one, ['busybox', 'ping', '-c', '1', '-W', '2', two.address]);
  });

  it('starts a program again that was killed, unless it is held', async () => {
    const before = await eventually(() => programPid(one, 'agent'));
    await signalProgram(one, 'agent', 'KILL');
    const after = await eventually(() => {
      const pid = programPid(one, 'agent');
      return pid !== before ? pid : undefined;
    });
    holdProgram(one, 'agent', true);
    await signalProgram(one, 'agent', 'KILL');
    await eventually(() => programPid(one, 'agent') === undefined);
    holdProgram(one, 'agent', false);
    expect(await eventually(() => programPid(one, 'agent'))).not.toBe(after);
  });

  it('keeps the containers of an engine that is killed and comes back', async () => {
    const engine = engineAt(one.engine);
    const container = await startSleeper(engine);
    const before = await container.inspect();
    const pid = programPid(one, 'engine');
    await signalProgram(one, 'engine', 'KILL');
    await eventually(() => {
      const now = programPid(one, 'engine');
      return now !== undefined && now !== pid;
    });
    await engineReady(engine, clock);
    const after = await container.inspect();
    expect({ ...after.State, pid: after.State.Pid }).toMatchObject({ Running: true, Pid: before.State.Pid });
    await container.remove({ force: true });
  }, 30_000);

  it('loses everything but its disk in a power cut, and boots again', async () => {
    const container = await startSleeper(engineAt(two.engine));
    const mac = await runOn(two, ['cat', '/sys/class/net/eth0/address']);
    await powerCut(plan, two, clock);
    expect((await tryRun('busybox', ['ping', '-c', '1', '-W', '1', two.address])).status).not.toBe(0);
    expect(
      await tryRun('sh', ['-c', `ls -d /sys/fs/cgroup/${two.cgroup} /sys/fs/cgroup/*/${two.cgroup} 2>/dev/null`]),
    ).toMatchObject({ stdout: '' });
    expect((await run('ip', ['netns', 'list'])).includes(two.netns)).toBe(false);

    const began = performance.now();
    await powerOn(plan, two, clock);
    const engine = engineAt(two.engine);
    await engineReady(engine, clock);
    console.log(`power on to engine: ${Math.round(performance.now() - began)} ms`);
    expect((await engine.getContainer(container.id).inspect()).State).toMatchObject({
      Running: false,
      Status: 'exited',
    });
    expect(await runOn(two, ['cat', '/sys/class/net/eth0/address'])).toBe(mac);
    await run('busybox', ['ping', '-c', '1', '-W', '2', two.address]);
    await eventually(() => programPid(two, 'agent'));
    await engine.getContainer(container.id).remove();
  }, 30_000);

  it('cuts a machine off and connects it again without touching what it runs', async () => {
    const pid = programPid(one, 'agent');
    await setCable(plan, one, 'down');
    expect((await tryRun('busybox', ['ping', '-c', '1', '-W', '1', one.address])).status).not.toBe(0);
    await setCable(plan, one, 'up');
    await eventually(() => run('busybox', ['ping', '-c', '1', '-W', '1', one.address]));
    expect(programPid(one, 'agent')).toBe(pid);
  });

  it('buries orphans and says what became of programs', async () => {
    await runOn(one, ['sh', '-c', '(sleep 0.1 &)']);
    await eventually(
      async () => !(await runOn(one, ['sh', '-c', 'cat /proc/[0-9]*/stat 2>/dev/null | cut -d" " -f3'])).includes('Z'),
    );
    expect(programLog(one, 'init')).toContain('agent ended with status 137');
  });
});

async function startSleeper(engine: Docker): Promise<Docker.Container> {
  const container = await engine.createContainer({
    Image: 'machines/shell:1',
    Cmd: ['sleep', '100000'],
    HostConfig: { NetworkMode: 'none' },
  });
  await container.start();
  return container;
}
