import { describe, expect, it } from 'vitest';
import type { Container } from '../../../shared/generated/types.ts';
import { silentLog } from '../../../shared/log.ts';
import { container, makePod } from '../../../test/support/hollow-agent.ts';
import { StepScene } from '../../../test/support/pod-step.ts';
import type { ContainerState, Runtime } from '../../runtime/runtime.ts';
import { hollowVolumes } from '../../volumes/hollow-volumes.ts';
import { HookError } from '../hooks.ts';
import { withTerminationMessage } from './termination-message.ts';

const lifecycle = { preStop: { exec: { command: ['drain'] } } };

/** A running container whose stops and hooks are written down. */
async function running(more: Partial<Container> = { lifecycle }) {
  const scene = new StepScene();
  scene.pod = makePod('web', { containers: [container('app', more)] });
  const { id } = await scene.running();
  const stops: Array<[grace: number, afterMs: number]> = [];
  const begun = scene.clock.now();
  scene.overrides = {
    stopContainer: async (stopped, grace, signal) => {
      stops.push([grace, scene.clock.now() - begun]);
      await scene.runtime.stopContainer(stopped, grace, signal);
    },
  };
  const hooks: unknown[] = [];
  scene.hooks = {
    run: async (_pod, hooked, handler, address) => {
      hooks.push([hooked.name, handler, address]);
      await scene.clock.sleep(3_000);
    },
  };
  const args = (afterMs: number) => ({ container: 'app', id, deadline: begun + afterMs });
  return { scene, id, stops, hooks, args };
}

describe('a container that is stopped', () => {
  it('runs its preStop hook first, and has what is left of its grace after that', async () => {
    const { scene, id, stops, hooks, args } = await running();
    const done = scene.run('stopContainer', { ...args(30_000), why: 'Stopping container app' });
    await scene.clock.advance(60_000);
    await done;
    expect(hooks).toEqual([['app', lifecycle.preStop, '10.64.0.9']]);
    expect(stops).toEqual([[27, 3_000]]);
    expect(scene.containers.get(id)).toMatchObject({ state: 'exited', exitCode: 0 });
    expect(scene.events).toEqual(['Normal Killing app: Stopping container app']);
    expect(scene.progress.containers.get('app')?.preStopped).toBe(true);
    expect(scene.memory.containers.app?.replacing).toBeUndefined();
  });

  it('has two seconds at least, though its hook took all of its grace, and the hook is given up then', async () => {
    const { scene, stops, args } = await running();
    scene.hooks = { run: (_pod, _hooked, _handler, _address, signal) => scene.clock.sleep(60_000, signal) };
    const done = scene.run('stopContainer', { ...args(5_000), why: '' });
    await scene.clock.advance(60_000);
    await done;
    expect(stops).toEqual([[2, 5_000]]);
    expect(scene.events.at(-1)).toBe('Warning FailedPreStopHook app: PreStopHook failed');
    expect(scene.progress.containers.get('app')?.preStopped).toBe(true);
  });

  it('has whole seconds, none too few', async () => {
    const { scene, stops, args } = await running({});
    await scene.run('stopContainer', { ...args(2_001), why: '' });
    expect(stops).toEqual([[3, 0]]);
  });

  it('is stopped though its hook fails, which an event reports', async () => {
    const { scene, stops, args } = await running();
    scene.hooks = { run: () => Promise.reject(new HookError('exited with 1')) };
    await scene.run('stopContainer', { ...args(10_000), why: '' });
    expect(scene.events.at(-1)).toBe('Warning FailedPreStopHook app: PreStopHook failed');
    expect(stops).toEqual([[10, 0]]);
  });

  it('does not run its hook a second time, nor past the deadline, nor where it does not run', async () => {
    const twice = await running();
    const first = twice.scene.run('preStop', twice.args(30_000));
    await twice.scene.clock.advance(3_000);
    await first;
    expect(twice.stops).toEqual([]);
    await twice.scene.run('stopContainer', { ...twice.args(30_000), why: '' });
    expect(twice.hooks).toHaveLength(1);
    expect(twice.stops).toEqual([[27, 3_000]]);
    const late = await running();
    await late.scene.run('stopContainer', { ...late.args(0), why: '' });
    expect([late.hooks, late.stops]).toEqual([[], [[2, 0]]]);
    const ended = await running();
    ended.scene.containers.set(ended.id, {
      ...(ended.scene.containers.get(ended.id) as ContainerState),
      state: 'exited',
    });
    await ended.scene.run('preStop', ended.args(30_000));
    ended.scene.containers.delete(ended.id);
    await ended.scene.run('preStop', ended.args(30_000));
    expect(ended.hooks).toEqual([]);
    const unknown = await running();
    unknown.scene.pod = makePod('web', { containers: [container('other', { lifecycle })] });
    await unknown.scene.run('preStop', unknown.args(30_000));
    expect(unknown.hooks).toEqual([]);
  });

  it('goes on running when the stop was given up while its hook ran', async () => {
    const { scene, id, stops, args } = await running();
    scene.hooks = { run: (_pod, _hooked, _handler, _address, signal) => scene.clock.sleep(60_000, signal) };
    const done = scene.run('stopContainer', { ...args(30_000), why: '' });
    await scene.clock.advance(1_000);
    scene.abort.abort();
    await done;
    expect([stops, scene.containers.get(id)?.state]).toEqual([[], 'running']);
    expect(scene.events).toHaveLength(1);
    expect(scene.progress.containers.get('app')?.preStopped).toBeUndefined();
  });

  it('is not reported as ended when its stop was cancelled', async () => {
    const { scene, id, args } = await running({ args: ['fake.stubborn'] });
    const done = scene.run('stopContainer', { ...args(30_000), why: '' }).catch(() => undefined);
    await scene.clock.advance(1_000);
    scene.abort.abort();
    await done;
    expect(scene.containers.get(id)?.state).toBe('running');
  });

  it('keeps its last words, and is forgotten when the engine knows no more of it', async () => {
    const { scene, id, args } = await running({});
    scene.volumes = { ...hollowVolumes, terminationMessage: async () => 'bye' };
    await scene.run('stopContainer', { ...args(10_000), why: '' });
    expect(scene.containers.get(id)).toMatchObject({ state: 'exited', message: 'bye' });
    const gone = await running({});
    gone.scene.overrides = { ...gone.scene.overrides, inspectContainer: async () => undefined };
    await gone.scene.run('stopContainer', { ...gone.args(10_000), why: '' });
    expect(gone.scene.containers.has(gone.id)).toBe(false);
  });

  it('without another definition is not remembered as replaced', async () => {
    const { scene, args } = await running({});
    scene.memory = { ...scene.memory, containers: { app: { nextAttempt: 1, crashes: 0, exits: [] } } };
    const before = scene.memory;
    await scene.run('stopContainer', { ...args(10_000), why: '' });
    expect(scene.memory).toBe(before);
  });

  it('for another definition is remembered as replaced before it is stopped', async () => {
    const { scene, id, args } = await running({});
    scene.memory = { ...scene.memory, containers: { app: { nextAttempt: 1, crashes: 0, exits: [] } } };
    const seen: unknown[] = [];
    scene.overrides = { stopContainer: async () => void seen.push(scene.memory.containers.app?.replacing) };
    await scene.run('stopContainer', { ...args(10_000), why: '', replaces: true });
    expect(seen).toEqual([id]);
  });
});

describe('the last words of a container', () => {
  const exited = { name: 'app', attempt: 1, id: 'c', state: 'exited', exitCode: 1 } as ContainerState;
  const read = (
    state: Partial<ContainerState>,
    { file, log = [], policy }: { file?: string | Error; log?: Array<string | Error>; policy?: string } = {},
  ) => {
    const pod = makePod('web', {
      containers: [container('app', policy ? { terminationMessagePolicy: policy as never } : {})],
    });
    const asked: unknown[] = [];
    const terminationMessage = async (...args: unknown[]) => {
      asked.push(args);
      if (file instanceof Error) throw file;
      return file;
    };
    const logs: Runtime['logs'] = async function* (...args) {
      asked.push(args.slice(0, 2));
      for (const chunk of log) {
        if (chunk instanceof Error) throw chunk;
        yield Buffer.from(chunk);
      }
    };
    const runtime = { logs } as Runtime;
    const deps = { volumes: { ...hollowVolumes, terminationMessage }, runtime, log: silentLog };
    return withTerminationMessage(deps, pod, { ...exited, ...state }).then(({ message }) => ({ message, asked }));
  };
  const fallBack = { policy: 'FallbackToLogsOnError' };

  it('are those of its message file, of its very attempt', async () => {
    expect(await read({}, { file: 'it broke' })).toEqual({ message: 'it broke', asked: [['uid-web', 'app', 1]] });
    expect((await read({}, { file: 'it broke', log: ['log'], ...fallBack })).message).toBe('it broke');
  });

  it('are the end of its log only where it asks for that and has failed', async () => {
    const log = ['one\n', 'two\n'];
    const found = await read({}, { log, ...fallBack });
    expect(found.message).toBe('one\ntwo\n');
    // Kubernetes: "limited to 2048 bytes or 80 lines, whichever is smaller".
    expect(found.asked[1]).toEqual(['c', { follow: false, timestamps: false, tail: 80 }]);
    expect((await read({ exitCode: 0 }, { log, ...fallBack })).message).toBeUndefined();
    expect((await read({}, { log, policy: 'File' })).message).toBeUndefined();
    expect((await read({}, { log })).message).toBeUndefined();
    expect((await read({}, { log: [], ...fallBack })).message).toBeUndefined();
  });

  it('are 2048 bytes of the log at most, the last ones, however it comes', async () => {
    const text = Array.from({ length: 400 }, (_, i) => `line ${i}\n`).join('');
    for (const log of [[text], [...text], [text.slice(0, 100), text.slice(100)]]) {
      expect((await read({}, { log, ...fallBack })).message).toBe(text.slice(-2048));
    }
  });

  it('are not looked for while it runs, nor when the engine has said why it ended', async () => {
    expect(await read({ state: 'running' }, { file: 'x' })).toEqual({ message: undefined, asked: [] });
    expect(await read({ message: 'no such file' }, { file: 'x' })).toEqual({ message: 'no such file', asked: [] });
  });

  it('are missing, and its end is reported all the same, when they cannot be read', async () => {
    expect((await read({}, { file: new Error('I/O error') })).message).toBeUndefined();
    expect((await read({}, { log: ['a', new Error('gone')], ...fallBack })).message).toBeUndefined();
    expect((await read({ name: 'unknown' }, { file: 'x' })).message).toBe('x');
    expect((await read({ name: 'unknown' }, { log: ['x'], ...fallBack })).message).toBeUndefined();
  });
});
