import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConfigMap, Pod } from '../../shared/generated/types.ts';
import { container, HollowNode, makePod } from '../../test/support/hollow-agent.ts';
import { FakeRuntime } from '../runtime/fake/fake.ts';
import { hollowVolumes } from '../volumes/hollow-volumes.ts';
import { type PodVolumes, setUpEach } from '../volumes/pod-volumes.ts';
import { contentOf } from '../volumes/sources.ts';

let node: HollowNode;
afterEach(() => node.kill());

const names = ['a', 'b'] as const;
const labelItem = { path: 'tier', fieldRef: { fieldPath: "metadata.labels['tier']" } };
const cpuItem = { path: 'cpu', resourceFieldRef: { containerName: 'app', resource: 'limits.cpu', divisor: '1m' } };

let resourceVersion = 1;

function configMap(name: string, value: string): ConfigMap {
  const metadata = {
    name,
    namespace: 'default',
    uid: `uid-${name}`,
    creationTimestamp: '',
    resourceVersion: String(++resourceVersion),
  };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { value } };
}

/** A pod that shows two ConfigMaps, a label and its limit. */
function podOf({ tier = '0', cpu = '100m', image = 'example/app:0', command }: PodChange = {}): Pod {
  const app = container('app', { image, resources: { limits: { cpu } }, ...(command ? { command: [command] } : {}) });
  const volumes = [
    ...names.map((name) => ({ name, configMap: { name } })),
    { name: 'info', downwardAPI: { items: [labelItem, cpuItem] } },
  ];
  return makePod(
    'web',
    { containers: [app], volumes },
    { labels: { tier }, resourceVersion: String(++resourceVersion) },
  );
}

interface PodChange {
  tier?: string;
  cpu?: string;
  image?: string;
  command?: string;
}

/** A disk that is slow: what a volume is to show is read at one time, and written at another. */
class SlowDisk {
  readonly shown = new Map<string, string>();
  /** Milliseconds of each write, in turn. */
  delays: readonly number[] = [];
  #writes = 0;

  readonly #setUp: PodVolumes['prepare'] = (pod, inputs, facts) =>
    setUpEach(
      { pod, inputs, facts },
      async (volume, environment) => {
        const files = contentOf(volume, environment) ?? new Map();
        await node.clock.sleep(this.delays[this.#writes++ % this.delays.length] ?? 0);
        for (const [path, { data }] of files) this.shown.set(`${volume.name}/${path}`, data.toString());
      },
      async ({ name }) => this.shown.has(`${name}/value`),
    );

  readonly volumes: PodVolumes = { ...hollowVolumes, prepare: this.#setUp, refresh: this.#setUp };
}

describe('what a pod shows of its inputs', () => {
  const change = fc.record({
    what: fc.constantFrom('a', 'b', 'tier', 'cpu', 'image'),
    value: fc.integer({ min: 1, max: 9 }),
    pauseMs: fc.constantFrom(0, 1, 5, 20, 100),
  });

  it('is the newest once all is quiet, however changes and the steps of the node interleave', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 2, maxLength: 12 }),
        fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 7 }),
        fc.integer({ min: 0, max: 60 }),
        async (changes, delays, pullMs) => {
          node = new HollowNode({ images: 'all', pullMs, sandboxMs: pullMs, startMs: pullMs });
          const disk = new SlowDisk();
          disk.delays = delays;
          node.start({ volumes: disk.volumes });
          await node.until(() => node.server.connected);
          const newest = { a: '0', b: '0', tier: '0', cpu: '0', image: '0' };
          const pod = (): Pod =>
            podOf({ tier: newest.tier, cpu: `${100 + Number(newest.cpu)}m`, image: `example/app:${newest.image}` });
          for (const name of names) node.server.put(configMap(name, '0'));
          node.server.assign(pod());
          for (const { what, value, pauseMs } of changes) {
            if (pauseMs > 0) await node.clock.advance(pauseMs);
            newest[what] = String(value);
            if (what === 'a' || what === 'b') node.server.put(configMap(what, String(value)));
            else node.server.assign(pod());
          }
          await node.clock.advance(2_000);
          expect(Object.fromEntries(disk.shown)).toEqual({
            'a/value': newest.a,
            'b/value': newest.b,
            'info/tier': newest.tier,
            'info/cpu': String(100 + Number(newest.cpu)),
          });
          await node.clock.advance(30_000);
          const running = [...node.engine.containers.values()].filter(({ state }) => state === 'running');
          expect(running.map(({ spec }) => spec.image)).toEqual([`example/app:${newest.image}`]);
          expect(running[0]?.resources.cpuLimitMillis).toBe(100 + Number(newest.cpu));
          node.kill();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('changes with a label and with a resize, while the container runs on', async () => {
    node = new HollowNode();
    const disk = new SlowDisk();
    node.start({ volumes: disk.volumes });
    for (const name of names) node.server.put(configMap(name, '0'));
    node.server.assign(podOf());
    for (const name of names) node.server.put(configMap(name, '0'));
    await node.until(() => node.status('default/web')?.phase === 'Running');
    node.server.assign(podOf({ tier: '1', cpu: '250m' }));
    await node.until(() => disk.shown.get('info/tier') === '1' && disk.shown.get('info/cpu') === '250', 2_000);
    expect(node.status('default/web')?.containerStatuses?.[0]?.restartCount).toBe(0);
  });
});

describe('a pod whose ConfigMap is deleted', () => {
  async function running(command?: string, more: Partial<Pod['spec']> = {}): Promise<SlowDisk> {
    node = new HollowNode();
    const disk = new SlowDisk();
    node.start({ volumes: disk.volumes });
    await node.until(() => node.server.connected);
    for (const name of names) node.server.put(configMap(name, '1'));
    const pod = podOf(command ? { command } : {});
    node.server.assign({ ...pod, spec: { ...pod.spec, ...more } });
    await node.until(() => node.status('default/web')?.phase === 'Running');
    return disk;
  }

  const failedMounts = (): string[] =>
    node.server.events.flatMap(({ reason, message }) => (reason === 'FailedMount' ? [message ?? ''] : []));

  it('keeps what was mounted, restarts its containers, and an event says what is missing', async () => {
    const disk = await running('fake.exit=1 after=5s');
    node.server.withdraw(configMap('a', ''));
    await node.until(() => (node.status('default/web')?.containerStatuses?.[0]?.restartCount ?? 0) >= 2);
    expect(disk.shown.get('a/value')).toBe('1');
    expect(failedMounts()[0]).toBe('MountVolume.SetUp failed for volume "a" : configmap "a" not found');
  });

  it('still shows changes of its other inputs, and the object when it is there again', async () => {
    const disk = await running();
    node.server.withdraw(configMap('a', ''));
    await node.until(() => failedMounts().length > 0);
    node.server.put(configMap('b', '2'));
    await node.until(() => disk.shown.get('b/value') === '2', 2_000);
    await node.clock.advance(120_000);
    node.server.put(configMap('a', '3'));
    await node.until(() => disk.shown.get('a/value') === '3', 2_000);
  });

  it('takes a debug container', async () => {
    await running();
    node.server.withdraw(configMap('a', ''));
    await node.until(() => failedMounts().length > 0);
    const pod = podOf();
    node.server.assign({ ...pod, spec: { ...pod.spec, ephemeralContainers: [container('debug')] } });
    await node.until(() => node.running().includes('debug'), 5_000);
  });

  it('gets a new sandbox when it loses its own', async () => {
    await running();
    node.server.withdraw(configMap('a', ''));
    await node.until(() => failedMounts().length > 0);
    const [sandbox] = [...node.engine.sandboxes.keys()];
    node.engine.killSandbox(sandbox ?? '');
    await node.until(() => !node.engine.sandboxes.has(sandbox ?? '') && node.running().includes('app'), 30_000);
  });

  it('says CreateContainerConfigError when a variable comes from it, until it is there again', async () => {
    const from = { name: 'A', valueFrom: { configMapKeyRef: { name: 'a', key: 'value' } } };
    await running('fake.exit=1 after=5s', {
      containers: [container('app', { command: ['fake.exit=1', 'after=5s'], env: [from] })],
      volumes: [],
    });
    node.server.withdraw(configMap('a', ''));
    const waiting = () => node.status('default/web')?.containerStatuses?.[0]?.state?.waiting;
    await node.until(() => waiting()?.reason === 'CreateContainerConfigError');
    expect(waiting()?.message).toBe('configmap "a" not found');
    node.server.put(configMap('a', '2'));
    await node.until(() => node.running().includes('app'), 2_000);
  });
});

describe('an image that is changed while another is pulled', () => {
  it('is what the container gets, at once, though the pull of the one before has failed', async () => {
    node = new HollowNode({ images: ['example/app:2'], inRegistry: (image) => image !== 'example/app:1' });
    node.start();
    await node.until(() => node.server.connected);
    node.server.assign(makePod('web', { containers: [container('app', { image: 'example/app:1' })] }));
    await node.until(
      () => node.status('default/web')?.containerStatuses?.[0]?.state?.waiting?.reason === 'ImagePullBackOff',
    );
    node.server.assign(
      makePod('web', { containers: [container('app', { image: 'example/app:2' })] }, { resourceVersion: '2' }),
    );
    await node.until(() => node.running().includes('app'), 2_000);
    expect([...node.engine.containers.values()].map(({ spec }) => spec.image)).toEqual(['example/app:2']);
  });

  it('is pulled as well before a container is made of it', async () => {
    node = new HollowNode({ images: [], pullMs: 1_000 });
    node.start();
    await node.until(() => node.server.connected);
    const assign = (image: string, resourceVersion: string) =>
      node.server.assign(makePod('web', { containers: [container('app', { image })] }, { resourceVersion }));
    assign('example/app:1', '1');
    await node.until(() => node.server.events.some(({ reason }) => reason === 'Pulling'));
    assign('example/app:2', '2');
    await node.until(() => node.running().includes('app'), 5_000);
    expect([...node.engine.containers.values()].map(({ spec }) => spec.image)).toEqual(['example/app:2']);
    expect(node.server.events.map(({ reason }) => reason)).not.toContain('Failed');
  });
});

describe('an answer of the engine that comes late', () => {
  it('does not bring back a container that has ended since', async () => {
    node = new HollowNode();
    const runtime = new FakeRuntime(node.engine);
    const inspect = runtime.inspectContainer.bind(runtime);
    runtime.inspectContainer = async (id) => {
      const state = await inspect(id);
      if (state?.state === 'running') await node.clock.sleep(3_000);
      return state;
    };
    node.start({ runtime });
    await node.until(() => node.server.connected);
    const app = container('app', { command: ['fake.exit=3', 'after=1s'] });
    node.server.assign(makePod('web', { containers: [app, container('other')], restartPolicy: 'Never' }));
    await node.clock.advance(10_000);
    expect(node.status('default/web')?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(3);
  });

  it('about the machine holds back a pod whose limits are those of the node', async () => {
    node = new HollowNode();
    const runtime = new FakeRuntime(node.engine);
    const info = runtime.info.bind(runtime);
    let known = false;
    runtime.info = async () => {
      if (!known) throw new Error('not yet');
      return info();
    };
    const disk = new SlowDisk();
    node.start({ runtime, volumes: disk.volumes });
    const item = { path: 'cpu', resourceFieldRef: { containerName: 'app', resource: 'limits.cpu' } };
    node.server.pods.set(
      'default/web',
      makePod('web', { volumes: [{ name: 'info', downwardAPI: { items: [item] } }] }),
    );
    await node.clock.advance(30_000);
    expect(node.running()).toEqual([]);
    known = true;
    await node.until(() => node.running().includes('app'), 15_000);
    expect(disk.shown.get('info/cpu')).toBe('4');
  });
});

it('a pod that is assigned while what is left of it is removed keeps its files and its address', async () => {
  node = new HollowNode({ images: 'all', stopMs: 500 });
  node.start();
  await node.until(() => node.server.connected);
  node.server.assign(makePod('web'));
  await node.until(() => node.status('default/web')?.phase === 'Running');
  node.kill();
  node.checkpoint.clear();
  node.server.pods.clear();
  const done: string[] = [];
  const volumes: PodVolumes = {
    ...hollowVolumes,
    prepare(...args) {
      done.push('prepared');
      return hollowVolumes.prepare(...args);
    },
    remove: async () => void done.push('removed'),
  };
  node.start({ volumes });
  await node.until(() => node.server.connected);
  node.server.assign(makePod('web'));
  await node.until(() => node.status('default/web')?.phase === 'Running');
  await node.clock.advance(2_000);
  expect(done).toEqual(['removed', 'prepared']);
  node.server.assign(makePod('other', {}, { uid: 'uid-other' }));
  await node.until(() => node.status('default/other')?.phase === 'Running');
  expect(node.status('default/other')?.podIP).not.toBe(node.status('default/web')?.podIP);
});
