import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { eventually } from '../support/eventually.ts';
import { type HollowKubectl, startHollowKubectl } from '../support/hollow-kubectl.ts';
import { hasKubectl } from '../support/kubectl-program.ts';

describe.skipIf(!hasKubectl())('by kubectl, on a hollow node,', { timeout: 60_000 }, () => {
  let cluster: HollowKubectl;
  beforeAll(async () => {
    cluster = await startHollowKubectl();
  });
  afterAll(() => cluster?.close());

  async function kubectl(args: string, input?: object): Promise<string> {
    const { code, out, err } = await cluster.kubectl.run(
      args.split(' '),
      input ? { input: JSON.stringify(input) } : undefined,
    );
    if (code !== 0) throw new Error(`kubectl ${args}: ${err}`);
    return out;
  }
  const images = async (app: string) => {
    const columns = 'custom-columns=N:.metadata.name,I:.spec.containers[0].image';
    return (await kubectl(`get pods -l app=${app} --no-headers -o ${columns}`)).trim().split(/\s+/);
  };
  const example = async (name: string) =>
    parse(await readFile(new URL(`../../deploy/examples/${name}.yaml`, import.meta.url), 'utf8'));

  it('a StatefulSet comes up in order, scales, rolls out, heals a broken rollout and rolls back', async () => {
    await kubectl('create -f -', await example('stateful-set'));
    expect(await kubectl('rollout status statefulset/db --timeout=30s')).toContain(
      'partitioned roll out complete: 3 new pods have been updated...',
    );
    expect(await kubectl('get pods -l app=db -o name')).toBe('pod/db-0\npod/db-1\npod/db-2\n');
    await kubectl('scale statefulset/db --replicas=2');
    await eventually(async () => (await images('db')).length === 4);
    await kubectl('set image statefulset/db db=fake/exit:3');
    await eventually(async () => (await images('db'))[3] === 'fake/exit:3');
    await kubectl('set image statefulset/db db=example/db:2');
    await kubectl('rollout status statefulset/db --timeout=30s');
    await eventually(async () => (await images('db')).join(' ') === 'db-0 example/db:2 db-1 example/db:2');
    expect(await kubectl('rollout history statefulset/db')).toMatch(/^1 .*\n2 .*\n3 /m);
    expect(await kubectl('rollout undo statefulset/db --to-revision=1')).toBe('statefulset.apps/db rolled back\n');
    await kubectl('rollout status statefulset/db --timeout=30s');
    await eventually(
      async () => (await images('db')).join(' ') === 'db-0 coracle-demo/shell:1 db-1 coracle-demo/shell:1',
    );
    expect(await kubectl('rollout history statefulset/db')).toMatch(/^2 .*\n3 .*\n4 /m);
  });

  it('a DaemonSet rolls out, heals a broken rollout and rolls back', async () => {
    await kubectl('create -f -', await example('daemon-set'));
    const done = 'daemon set "watcher" successfully rolled out';
    expect(await kubectl('rollout status daemonset/watcher --timeout=30s')).toContain(done);
    await kubectl('set image daemonset/watcher watcher=fake/exit:3');
    await eventually(async () => (await images('watcher'))[1] === 'fake/exit:3');
    expect(await kubectl('rollout history daemonset/watcher')).toMatch(/^1 .*\n2 /m);
    expect(await kubectl('rollout undo daemonset/watcher')).toBe('daemonset.apps/watcher rolled back\n');
    expect(await kubectl('rollout status daemonset/watcher --timeout=30s')).toContain(done);
    expect((await images('watcher'))[1]).toBe('coracle-demo/shell:1');
  });
});
