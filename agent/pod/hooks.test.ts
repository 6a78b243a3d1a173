import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { LifecycleHandler, PodSpec } from '../../shared/generated/types.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import type { HttpTarget } from '../probes/target.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { createHooks, HookError } from './hooks.ts';

/** Hooks on a machine that does what the test says. */
class Scene {
  readonly clock = new VirtualClock();
  readonly stop = new AbortController();
  readonly commands: unknown[] = [];
  readonly targets: HttpTarget[] = [];
  exec: () => Promise<{ exitCode: number; output: string }> = async () => ({ exitCode: 0, output: '' });
  http: () => Promise<{ status: number; body: string }> = async () => ({ status: 200, body: '' });
  /** How it ended; undefined while it has not. */
  ended: { error?: unknown } | undefined;

  async run(handler: LifecycleHandler, spec: Partial<PodSpec> = {}, address: string | undefined = '10.64.3.2') {
    const hooks = createHooks({
      runtime: {
        exec: (id, command, limits) => {
          this.commands.push({ id, command, ...limits });
          return this.exec();
        },
      } as Runtime,
      dialers: {
        http: (target) => {
          this.targets.push(target);
          return this.http();
        },
        tcp: () => Promise.reject(new Error('not for hooks')),
        grpc: () => Promise.reject(new Error('not for hooks')),
      },
      clock: this.clock,
      hostIP: () => '192.0.2.1',
    });
    const app = container('app', { ports: [{ name: 'web', containerPort: 8080 }] });
    const pod = makePod('web', { containers: [app], ...spec });
    hooks.run(pod, { id: 'c1', name: 'app' }, handler, address, this.stop.signal).then(
      () => {
        this.ended = {};
      },
      (error: unknown) => {
        this.ended = { error };
      },
    );
    await this.clock.advance(0);
  }

  failure(): string | undefined {
    const error = this.ended?.error;
    return error instanceof HookError ? error.message : undefined;
  }
}

describe('a command', () => {
  it('is run in the container, has ended well with 0, and failed with its code and output else', async () => {
    const scene = new Scene();
    await scene.run({ exec: { command: ['drain', '-f'] } });
    const bounds = { timeoutMs: 3_600_000, maxBytes: 10_240 };
    expect(scene.commands).toEqual([{ id: 'c1', command: ['drain', '-f'], ...bounds }]);
    expect(getEventListeners(scene.stop.signal, 'abort')).toEqual([]);
    expect(scene.ended).toEqual({});
    scene.exec = async () => ({ exitCode: 3, output: 'no way' });
    await scene.run({ exec: { command: ['drain'] } });
    expect(scene.failure()).toBe('command ["drain"] exited with 3: no way');
    await scene.run({ exec: {} });
    expect(scene.failure()).toBe('command [] exited with 3: no way');
  });

  it('that cannot be run is a failed hook', async () => {
    const scene = new Scene();
    scene.exec = () => Promise.reject(new Error('the engine is away'));
    await scene.run({ exec: { command: ['drain'] } });
    expect(scene.failure()).toBe('the engine is away');
  });

  it('that does not end is given up with the signal, or not waited for when that is aborted already', async () => {
    const scene = new Scene();
    scene.exec = () => new Promise(() => undefined);
    await scene.run({ exec: { command: ['sleep'] } });
    expect(scene.ended).toBeUndefined();
    scene.stop.abort(new Error('the grace is over'));
    await scene.clock.advance(0);
    expect(scene.failure()).toBe('the grace is over');
    scene.ended = undefined;
    await scene.run({ exec: { command: ['sleep'] } });
    expect(scene.failure()).toBe('the grace is over');
  });
});

describe('a request', () => {
  const handler: LifecycleHandler = { httpGet: { port: 'web', path: 'stop' } };

  it('goes to the pod, and any answer will do', async () => {
    const scene = new Scene();
    scene.http = async () => ({ status: 503, body: '' });
    await scene.run(handler);
    expect(scene.targets).toMatchObject([{ host: '10.64.3.2', port: 8080, path: '/stop' }]);
    expect(scene.ended).toEqual({});
  });

  it('goes to the node when the pod is on its network', async () => {
    const scene = new Scene();
    await scene.run(handler, { hostNetwork: true });
    expect(scene.targets).toMatchObject([{ host: '192.0.2.1' }]);
  });

  it('that is refused, or a port that there is not, is a failed hook', async () => {
    const scene = new Scene();
    scene.http = () => Promise.reject(new Error('connection refused'));
    await scene.run(handler);
    expect(scene.failure()).toBe('connection refused');
    await scene.run({ httpGet: { port: 'none' } });
    expect(scene.failure()).toBe("couldn't find port: none");
  });
});

describe('a sleep', () => {
  it('lasts its seconds', async () => {
    const scene = new Scene();
    await scene.run({ sleep: { seconds: 3 } });
    await scene.clock.advance(2_999);
    expect(scene.ended).toBeUndefined();
    await scene.clock.advance(1);
    expect(scene.ended).toEqual({});
  });

  it('ends with the signal, as a failed hook', async () => {
    const scene = new Scene();
    await scene.run({ sleep: { seconds: 3 } });
    scene.stop.abort(new Error('the grace is over'));
    await scene.clock.advance(0);
    expect(scene.failure()).toBe('the grace is over');
  });
});

it('a handler of no kind that is known does nothing, and well', async () => {
  const scene = new Scene();
  await scene.run({ tcpSocket: { port: 80 } });
  expect(scene.ended).toEqual({});
});
