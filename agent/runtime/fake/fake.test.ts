import { expect, test } from 'vitest';
import { seededRandom } from '../../../shared/random.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { plainContainer, plainSandbox } from '../../../test/support/runtime-specs.ts';
import type { ContainerSpec, SandboxSpec } from '../runtime.ts';
import { behaviourOf, execCode } from './behaviour.ts';
import { FakeEngine, type FakeEngineOptions } from './engine.ts';
import { FakeRuntime } from './fake.ts';

const pod = { namespace: 'default', name: 'web', uid: 'uid-1' };

const sandbox: SandboxSpec = {
  ...plainSandbox,
  pod,
  hostname: 'web',
  address: '10.1.0.2',
};

function container(image: string, args: string[] = []): ContainerSpec {
  return {
    ...plainContainer,
    pod,
    image,
    args,
    labels: { 'coracle.test': 'yes' },
  };
}

function lab(options: FakeEngineOptions = {}) {
  const clock = new VirtualClock();
  const engine = new FakeEngine({ clock, random: seededRandom(1) }, { images: 'all', ...options });
  return { clock, engine, runtime: new FakeRuntime(engine) };
}

test('a sandbox and a container take the configured time to start', async () => {
  const { clock, runtime, engine } = lab({ sandboxMs: 100, startMs: 50 });
  let started = false;
  void (async () => {
    const { id } = await runtime.createSandbox(sandbox);
    await runtime.startContainer(await runtime.createContainer(id, container('web')));
    started = true;
  })();
  await clock.advance(149);
  expect(started).toBe(false);
  await clock.advance(1);
  expect(started).toBe(true);
  expect(engine.at('10.1.0.2').map((each) => each.spec.name)).toEqual(['app']);
});

test('a container ends by itself with the code and at the time that its arguments say', async () => {
  const { clock, runtime } = lab();
  const { id } = await runtime.createSandbox(sandbox);
  const app = await runtime.createContainer(id, container('web', ['fake.exit=3', 'after=5s']));
  await runtime.startContainer(app);
  await clock.advance(4_999);
  expect((await runtime.inspectContainer(app))?.state).toBe('running');
  await clock.advance(1);
  expect(await runtime.inspectContainer(app)).toMatchObject({ state: 'exited', exitCode: 3, reason: 'Error' });
});

test('a stubborn container is killed when its grace has passed, a willing one ends at once', async () => {
  const { clock, runtime } = lab();
  const { id } = await runtime.createSandbox(sandbox);
  const app = await runtime.createContainer(id, container('fake/stubborn'));
  await runtime.startContainer(app);
  const stopped = runtime.stopContainer(app, 30);
  await clock.advance(29_999);
  expect((await runtime.inspectContainer(app))?.state).toBe('running');
  await clock.advance(1);
  await stopped;
  expect(await runtime.inspectContainer(app)).toMatchObject({ exitCode: 137, reason: 'Error' });

  const willing = await runtime.createContainer(id, { ...container('web'), name: 'willing' });
  await runtime.startContainer(willing);
  await runtime.stopContainer(willing, 30);
  expect(await runtime.inspectContainer(willing)).toMatchObject({ exitCode: 0, reason: 'Completed' });
});

test('an agent that restarts finds what it left, half made things too; a power cut leaves nothing', async () => {
  const { clock, engine, runtime } = lab({ sandboxMs: 100 });
  const cut = runtime.createSandbox(sandbox);
  const refused = expect(cut).rejects.toMatchObject({ code: 'Unavailable' });
  await clock.advance(50);
  await runtime.close();
  await clock.advance(50);
  await refused;

  const second = new FakeRuntime(engine);
  expect((await second.list()).sandboxes).toMatchObject([{ running: false, pod, address: '10.1.0.2' }]);
  const finished = second.createSandbox(sandbox);
  await clock.advance(100);
  expect((await finished).running).toBe(true);

  engine.powerCut();
  await expect(second.list()).rejects.toMatchObject({ code: 'Unavailable' });
  expect(await new FakeRuntime(engine).list()).toEqual({ sandboxes: [], containers: [] });
});

test('ten thousand hollow pods are cheap', async () => {
  const { runtime } = lab();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 10_000; i++) {
    const each = { ...pod, uid: `uid-${i}` };
    const { id } = await runtime.createSandbox({ ...sandbox, pod: each });
    await runtime.startContainer(await runtime.createContainer(id, { ...container('web'), pod: each }));
  }
  expect((await runtime.list()).containers).toHaveLength(10_000);
  expect((process.memoryUsage().heapUsed - before) / 10_000).toBeLessThan(10_000);
});

test('words of behaviour are read from the image, the label, the environment and the arguments, later ones win', () => {
  const base = container('registry.example/fake/exit:1');
  expect(behaviourOf(base)).toMatchObject({ exitCode: 1, afterMs: 0 });
  expect(behaviourOf({ ...base, labels: { 'coracle.fake': 'after=2m' } })).toMatchObject({ afterMs: 120_000 });
  expect(behaviourOf({ ...base, env: [{ name: 'FAKE', value: 'fake.exit=7 after=1s' }] })).toMatchObject({
    exitCode: 7,
    afterMs: 1_000,
  });
  expect(behaviourOf({ ...base, command: ['fake.oom'] })).toMatchObject({ exitCode: 137, oom: true });
  expect(behaviourOf(container('busybox', ['sleep', 'after', 'all'])).exitCode).toBeUndefined();
});

test('a command in a hollow container takes its time, up to what it is given or its container has', async () => {
  const { clock, runtime } = lab();
  const { id } = await runtime.createSandbox(sandbox);
  const start = async (args: string[], name: string) => {
    const made = await runtime.createContainer(id, { ...container('web', args), name });
    await runtime.startContainer(made);
    return made;
  };
  const plain = await start([], 'plain');
  const options = { timeoutMs: 5_000, maxBytes: 100 };
  const slept = runtime.exec(plain, ['/bin/sleep', '5'], options);
  const late = expect(runtime.exec(plain, ['sleep', '6'], options)).rejects.toMatchObject({ code: 'Timeout' });
  await clock.advance(5_000);
  expect((await slept).exitCode).toBe(0);
  await late;
  const hung = await start(['fake.hang'], 'hung');
  const never = expect(runtime.exec(hung, ['true'], options)).rejects.toMatchObject({ code: 'Timeout' });
  await clock.advance(5_000);
  await never;
  const short = await start(['fake.exit=3', 'after=2s'], 'short');
  const cut = runtime.exec(short, ['sleep', '4'], options);
  await clock.advance(2_000);
  expect((await cut).exitCode).toBe(137);
});

test('a container whose sandbox has ended is not started, and one that is stopped ends with its own code', async () => {
  const { engine, runtime } = lab();
  const { id } = await runtime.createSandbox(sandbox);
  const app = await runtime.createContainer(id, container('web', ['fake.term=7']));
  await runtime.startContainer(app);
  await runtime.stopContainer(app, 10);
  expect(await runtime.inspectContainer(app)).toMatchObject({ state: 'exited', exitCode: 7, reason: 'Error' });
  const late = await runtime.createContainer(id, { ...container('web'), name: 'late' });
  engine.killSandbox(id);
  await expect(runtime.startContainer(late)).rejects.toMatchObject({ code: 'Start' });
  expect(await runtime.inspectContainer(late)).toMatchObject({ state: 'exited', exitCode: 128, reason: 'StartError' });
});

test('commands in a hollow container succeed unless they or the container say otherwise', () => {
  const plain = behaviourOf(container('web'));
  expect(execCode(plain, ['cat', '/ready'])).toBe(0);
  expect(execCode(plain, ['/bin/false'])).toBe(1);
  expect(execCode(plain, ['fake.exit=4'])).toBe(4);
  expect(execCode(behaviourOf(container('web', ['fake.exec=9'])), ['true'])).toBe(9);
});

test('a container keeps the id of its image when the image is removed', async () => {
  const { runtime, engine } = lab({ images: ['web'] });
  const { id } = await runtime.createSandbox(sandbox);
  const app = await runtime.createContainer(id, container('web'));
  const before = (await runtime.inspectContainer(app))?.imageId;
  engine.removeImage('web');
  expect(before).toMatch(/^sha256:/);
  expect((await runtime.list()).containers[0]?.imageId).toBe(before);
});
