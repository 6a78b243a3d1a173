import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Runtime, RuntimeEvent } from '../../../agent/runtime/runtime.ts';
import { eventually } from '../../support/eventually.ts';
import { streamTests } from './streams.ts';
import { containerOf, exited, type RuntimeSubject, runPod, sandboxOf } from './subject.ts';

async function readLog(runtime: Runtime, id: string, options: Partial<Parameters<Runtime['logs']>[1]> = {}) {
  const chunks: Uint8Array[] = [];
  const signal = AbortSignal.timeout(10_000);
  for await (const chunk of runtime.logs(id, { follow: false, timestamps: false, ...options }, signal))
    chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** What every runtime promises its agent. */
export function runtimeContract(name: string, make: () => Promise<RuntimeSubject>, skip = false): void {
  describe.skipIf(skip)(`${name} keeps the runtime's contract`, () => {
    let subject: RuntimeSubject;
    let runtime: Runtime;

    beforeAll(async () => {
      subject = await make();
      runtime = subject.runtime;
    }, 60_000);

    afterAll(async () => {
      await subject?.close();
    }, 60_000);

    const listed = async (uid: string, by = runtime) => {
      const { sandboxes, containers } = await by.list();
      return {
        sandboxes: sandboxes.filter((each) => each.pod.uid === uid),
        containers: containers.filter((each) => each.pod.uid === uid),
      };
    };

    test('containers can be created while their sandbox is made, and started when it is whole', async () => {
      const spec = sandboxOf('early');
      let created: Promise<string> | undefined;
      const sandbox = await runtime.createSandbox(spec, undefined, (id) => {
        created = runtime.createContainer(id, containerOf(spec, subject.does.run));
      });
      const id = (await created) ?? '';
      await runtime.startContainer(id);
      expect(await runtime.inspectContainer(id)).toMatchObject({ sandboxId: sandbox.id, state: 'running' });
      await runtime.removeSandbox(sandbox.id);
      expect(await runtime.inspectContainer(id)).toBeUndefined();
    });

    test('it says what it is', async () => {
      const info = await runtime.info();
      expect(info.version).toMatch(/^[a-z]+:\/\/.+/);
      expect(info.cpus).toBeGreaterThan(0);
      expect(info.memoryBytes).toBeGreaterThan(0);
    });

    test('a sandbox that is made twice, or twice at once, is made once', async () => {
      const spec = sandboxOf('twice');
      const made = await Promise.all([runtime.createSandbox(spec), runtime.createSandbox(spec)]);
      made.push(await runtime.createSandbox(spec));
      expect(new Set(made.map((each) => each.id)).size).toBe(1);
      expect(made[0]).toMatchObject({ pod: spec.pod, running: true, address: spec.address, attempt: 0 });
      expect((await listed(spec.pod.uid)).sandboxes).toMatchObject([{ running: true, address: spec.address }]);
    });

    test('a container that is made twice is made once, and started twice starts once', async () => {
      const { spec, sandbox, id } = await runPod(runtime, subject.does.run, 'idempotent');
      const before = await runtime.inspectContainer(id);
      expect(await runtime.createContainer(sandbox.id, containerOf(spec, subject.does.run))).toBe(id);
      await runtime.startContainer(id);
      expect(await runtime.inspectContainer(id)).toEqual(before);
      expect((await listed(spec.pod.uid)).containers).toHaveLength(1);
    });

    test('a container goes from created to running to exited, with its times', async () => {
      const spec = sandboxOf('life');
      const sandbox = await runtime.createSandbox(spec);
      const id = await runtime.createContainer(sandbox.id, containerOf(spec, subject.does.run));
      const created = await runtime.inspectContainer(id);
      expect(created).toMatchObject({
        id,
        sandboxId: sandbox.id,
        pod: spec.pod,
        name: 'app',
        attempt: 0,
        state: 'created',
      });
      expect(created?.startedAt).toBeUndefined();
      await runtime.startContainer(id);
      const running = await runtime.inspectContainer(id);
      expect(running).toMatchObject({ state: 'running', image: subject.does.run.image });
      expect(running?.imageId).not.toBe('');
      expect(running?.exitCode).toBeUndefined();
      await runtime.stopContainer(id, 10);
      const ended = await runtime.inspectContainer(id);
      expect(ended).toMatchObject({ state: 'exited', exitCode: 0, reason: 'Completed' });
      expect(ended?.startedAt).toBe(running?.startedAt);
      expect(ended?.finishedAt).toBeGreaterThanOrEqual(ended?.startedAt ?? Number.POSITIVE_INFINITY);
    });

    test('a container that ends by itself keeps its code, and is not run again by a late start', async () => {
      const { spec, id } = await runPod(runtime, subject.does.exit(3), 'ends');
      const ended = await exited(runtime, id);
      expect(ended).toMatchObject({ exitCode: 3, reason: 'Error' });
      await subject.again().startContainer(id);
      expect(await runtime.inspectContainer(id)).toEqual(ended);
      expect((await listed(spec.pod.uid)).containers).toEqual([ended]);
    });

    test('a container that ends by its stop signal keeps the code that it ends with', async () => {
      const { id } = await runPod(runtime, subject.does.endWith(7), 'ends-with');
      await runtime.stopContainer(id, 10);
      expect(await runtime.inspectContainer(id)).toMatchObject({ state: 'exited', exitCode: 7, reason: 'Error' });
    });

    test('a container that exceeds its memory limit is killed, and its state shows it', async () => {
      const { spec, id } = await runPod(runtime, subject.does.oom, 'oom');
      const ended = await exited(runtime, id);
      expect(ended).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
      await runtime.startContainer(id);
      expect((await listed(spec.pod.uid)).containers).toEqual([ended]);
    });

    test('a container that is killed from outside ends as killed, and is not run again', async () => {
      const { spec, id } = await runPod(runtime, subject.does.run, 'killed');
      await subject.kill(id);
      const ended = await exited(runtime, id);
      expect(ended).toMatchObject({ exitCode: 137, reason: 'Error' });
      // The code says it; engines report no signal.
      expect(ended.signal).toBeUndefined();
      await runtime.startContainer(id);
      await runtime.stopContainer(id, 10);
      expect((await listed(spec.pod.uid)).containers).toEqual([ended]);
    });

    test('a sandbox that has lost its process does not run and starts no container, while those in it run on', async () => {
      const { spec, sandbox, id } = await runPod(runtime, subject.does.run, 'lost');
      const seen: RuntimeEvent[] = [];
      const stop = new AbortController();
      const listening = (async () => {
        for await (const event of runtime.events(stop.signal)) seen.push(event);
      })();
      await eventually(async () => {
        const ended = await runPod(runtime, subject.does.exit(0), 'ended-lost');
        await runtime.removeSandbox(ended.sandbox.id);
        return seen.length > 0;
      });
      await subject.kill(sandbox.id);
      await eventually(async () => (await listed(spec.pod.uid)).sandboxes[0]?.running === false);
      await eventually(() => seen.some(({ type, containerId }) => type === 'exited' && containerId === sandbox.id));
      stop.abort();
      await listening;
      expect(await runtime.inspectContainer(id)).toMatchObject({ state: 'running' });
      const late = containerOf(spec, subject.does.run, { name: 'late' });
      const lateId = await runtime.createContainer(sandbox.id, late);
      await expect(runtime.startContainer(lateId)).rejects.toMatchObject({ name: 'RuntimeError', code: 'Start' });
      const refused = await runtime.inspectContainer(lateId);
      expect(refused).toMatchObject({ state: 'exited', reason: 'StartError' });
      expect(refused?.exitCode).toBeGreaterThan(0);
      await runtime.removeSandbox(sandbox.id);
      expect(await listed(spec.pod.uid)).toEqual({ sandboxes: [], containers: [] });
      const next = await runtime.createSandbox({ ...spec, attempt: 1 });
      expect(next).toMatchObject({ running: true, attempt: 1, address: spec.address });
      expect(next.id).not.toBe(sandbox.id);
    });

    test('a container that ignores its stop signal is killed when its grace has passed, not before', async () => {
      const { id } = await runPod(runtime, subject.does.stubborn, 'stubborn');
      const begin = performance.now();
      await runtime.stopContainer(id, 1);
      expect(performance.now() - begin).toBeGreaterThanOrEqual(950);
      expect(await runtime.inspectContainer(id)).toMatchObject({ state: 'exited', exitCode: 137, reason: 'Error' });
    });

    test('a running container is given other resources as it runs', async () => {
      const { id } = await runPod(runtime, subject.does.run, 'resized');
      const before = await runtime.inspectContainer(id);
      const resources = { cpuShares: 512, cpuLimitMillis: 250, memoryLimitBytes: 64 * 2 ** 20 };
      await runtime.updateContainer(id, resources);
      expect(await runtime.inspectContainer(id)).toEqual(before);
      expect(await subject.resourcesOf(id)).toEqual(resources);
      await runtime.updateContainer(id, { cpuShares: 2, memoryLimitBytes: 96 * 2 ** 20 });
      expect(await subject.resourcesOf(id)).toEqual({ cpuShares: 2, memoryLimitBytes: 96 * 2 ** 20 });
      await expect(runtime.updateContainer('0'.repeat(64), resources)).rejects.toMatchObject({ code: 'NotFound' });
    });

    test('what a running container uses can be read, and of others there is nothing to read', async () => {
      const { id, sandbox } = await runPod(runtime, subject.does.run, 'usage');
      const before = (await runtime.stats([id, 'no-such-container'])).get(id);
      expect(before?.workingSetBytes).toBeGreaterThan(0);
      const after = await eventually(async () => {
        const stats = await runtime.stats([id]);
        const found = stats.get(id);
        return found !== undefined && found.at > (before?.at ?? 0) && found;
      });
      expect(after.cpuNanoseconds).toBeGreaterThanOrEqual(before?.cpuNanoseconds ?? Number.NaN);
      await runtime.removeSandbox(sandbox.id);
      expect([...(await runtime.stats([id])).keys()]).toEqual([]);
    });

    test('stopping what has stopped and removing what is gone succeed', async () => {
      const { sandbox, id } = await runPod(runtime, subject.does.exit(0), 'gone');
      await exited(runtime, id);
      await runtime.stopContainer(id, 10);
      await runtime.removeContainer(id);
      await runtime.removeContainer(id);
      await runtime.stopContainer(id, 10);
      expect(await runtime.inspectContainer(id)).toBeUndefined();
      await runtime.removeSandbox(sandbox.id);
      await runtime.removeSandbox(sandbox.id);
    });

    test('a start that the engine refuses says why, then and later', async () => {
      const spec = sandboxOf('refused');
      const sandbox = await runtime.createSandbox(spec);
      const id = await runtime.createContainer(sandbox.id, containerOf(spec, subject.does.refused));
      await expect(runtime.startContainer(id)).rejects.toMatchObject({
        name: 'RuntimeError',
        code: 'Start',
        message: expect.stringMatching(/^exec: .*executable file not found|^executable file .* not found/),
      });
      const state = await runtime.inspectContainer(id);
      expect(state).toMatchObject({ state: 'exited', reason: 'StartError' });
      expect(state?.message).toMatch(/executable file/);
      expect(state?.exitCode).toBeGreaterThan(0);
    });

    test('a restart is a new container with the next attempt; the one before keeps its log', async () => {
      const { spec, sandbox, id } = await runPod(runtime, subject.does.print(['first']), 'restarts');
      await eventually(async () => (await readLog(runtime, id)) === 'first\n');
      await runtime.stopContainer(id, 0);
      const next = await runtime.createContainer(
        sandbox.id,
        containerOf(spec, subject.does.print(['second']), { attempt: 1 }),
      );
      await runtime.startContainer(next);
      expect(next).not.toBe(id);
      await eventually(async () => (await readLog(runtime, next)) === 'second\n');
      expect(await readLog(runtime, id)).toBe('first\n');
      const { containers } = await listed(spec.pod.uid);
      expect(containers.map(({ attempt, state }) => [attempt, state]).sort()).toEqual([
        [0, 'exited'],
        [1, 'running'],
      ]);
    });

    test('a log can be cut to its end, to a time, and be dated', async () => {
      const { id } = await runPod(runtime, subject.does.print(['one', 'two', 'three']), 'log');
      await eventually(async () => (await readLog(runtime, id)) === 'one\ntwo\nthree\n');
      expect(await readLog(runtime, id, { tail: 2 })).toBe('two\nthree\n');
      expect(await readLog(runtime, id, { tail: 0 })).toBe('');
      expect(await readLog(runtime, id, { tail: 10 })).toBe('one\ntwo\nthree\n');
      const dated = (await readLog(runtime, id, { timestamps: true })).trimEnd().split('\n');
      expect(dated.map((line) => line.split(' ')[1])).toEqual(['one', 'two', 'three']);
      for (const line of dated) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /);
      const started = (await runtime.inspectContainer(id))?.startedAt ?? 0;
      expect(await readLog(runtime, id, { since: started - 1000 })).toBe('one\ntwo\nthree\n');
      expect(await readLog(runtime, id, { since: started + 60_000 })).toBe('');
    });

    test('a log that is followed ends with its container, and at once when its reader wants no more', async () => {
      const { id } = await runPod(runtime, subject.does.print(['line']), 'follow');
      const whole = readLog(runtime, id, { follow: true });
      const stop = new AbortController();
      const cut: string[] = [];
      for await (const chunk of runtime.logs(id, { follow: true, timestamps: false }, stop.signal)) {
        cut.push(Buffer.from(chunk).toString());
        stop.abort();
      }
      expect(cut.join('')).toBe('line\n');
      await runtime.stopContainer(id, 0);
      expect(await whole).toBe('line\n');
      expect(await readLog(runtime, id, { follow: true })).toBe('line\n');
    });

    test('commands run in a container and hand back their code', async () => {
      const { id } = await runPod(runtime, subject.does.run, 'exec');
      const options = { timeoutMs: 10_000, maxBytes: 1_000 };
      expect(await runtime.exec(id, subject.exec.succeed, options)).toMatchObject({ exitCode: 0 });
      expect(await runtime.exec(id, subject.exec.fail(5), options)).toMatchObject({ exitCode: 5 });
      const late = runtime.exec(id, subject.streams.hang, { ...options, timeoutMs: 300 });
      await expect(late).rejects.toMatchObject({ name: 'RuntimeError', code: 'Timeout' });
      await runtime.stopContainer(id, 0);
      await expect(runtime.exec(id, subject.exec.succeed, options)).rejects.toMatchObject({ code: 'NotFound' });
    });

    test('events report starts, ends and removals, with their pod', async () => {
      const seen: RuntimeEvent[] = [];
      const stop = new AbortController();
      const listening = (async () => {
        for await (const event of runtime.events(stop.signal)) seen.push(event);
      })();
      const reported = (type: RuntimeEvent['type'], containerId: string, podUid: string) =>
        eventually(() =>
          seen.some((each) => each.type === type && each.containerId === containerId && each.podUid === podUid),
        );
      // The stream is open once it has any event.
      await eventually(async () => {
        const { sandbox } = await runPod(runtime, subject.does.exit(0), 'opened');
        await runtime.removeSandbox(sandbox.id);
        return seen.length > 0;
      });
      const { spec, sandbox, id } = await runPod(runtime, subject.does.run, 'events');
      await reported('started', sandbox.id, spec.pod.uid);
      await reported('started', id, spec.pod.uid);
      await runtime.stopContainer(id, 0);
      await reported('exited', id, spec.pod.uid);
      await runtime.removeSandbox(sandbox.id);
      await reported('removed', id, spec.pod.uid);
      await reported('removed', sandbox.id, spec.pod.uid);
      stop.abort();
      await listening;
    });

    test('an agent that starts anew finds every pod as it was, its labels too', async () => {
      const labels = { 'io.kubernetes.container.hash': 'abc', empty: '' };
      const { spec, sandbox, id } = await runPod(runtime, subject.does.run, 'adopted', { labels });
      const before = await listed(spec.pod.uid);
      const second = subject.again();
      expect(await listed(spec.pod.uid, second)).toEqual(before);
      expect(before.sandboxes).toMatchObject([{ id: sandbox.id, pod: spec.pod, running: true, address: spec.address }]);
      expect(before.containers).toMatchObject([{ id, sandboxId: sandbox.id, pod: spec.pod, state: 'running', labels }]);
      expect((await second.createSandbox(spec)).id).toBe(sandbox.id);
      const next = await second.createContainer(sandbox.id, containerOf(spec, subject.does.run, { name: 'second' }));
      await second.startContainer(next);
      await second.removeSandbox(sandbox.id);
      expect(await listed(spec.pod.uid)).toEqual({ sandboxes: [], containers: [] });
    });

    test('a sandbox goes with everything that is in it', async () => {
      const { spec, sandbox } = await runPod(runtime, subject.does.stubborn, 'whole');
      await runtime.createContainer(sandbox.id, containerOf(spec, subject.does.run, { name: 'never-started' }));
      await runtime.removeSandbox(sandbox.id);
      expect(await listed(spec.pod.uid)).toEqual({ sandboxes: [], containers: [] });
      const late = containerOf(spec, subject.does.run, { name: 'late' });
      await expect(runtime.createContainer(sandbox.id, late)).rejects.toMatchObject({ code: 'NotFound' });
    });

    streamTests(() => subject);

    test('an image exists or not, and a failed pull is reported', async () => {
      const image = await runtime.imageStatus(subject.does.run.image);
      expect(image?.names).toContain(subject.does.run.image);
      expect(image?.sizeBytes).toBeGreaterThan(0);
      expect((await runtime.listImages()).map((each) => each.id)).toContain(image?.id);
      expect(await runtime.imageStatus(subject.missingImage)).toBeUndefined();
      const spec = sandboxOf('imageless');
      const sandbox = await runtime.createSandbox(spec);
      const missing = containerOf(spec, { image: subject.missingImage });
      await expect(runtime.createContainer(sandbox.id, missing)).rejects.toMatchObject({ code: 'ImageNotFound' });
      await expect(runtime.pullImage(subject.missingImage, undefined)).rejects.toMatchObject({
        name: 'RuntimeError',
        code: expect.stringMatching(/^(ImagePull|ImageNotFound)$/),
      });
    });
  });
}
