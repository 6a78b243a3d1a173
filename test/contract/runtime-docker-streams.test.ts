import { readdir, readFile } from 'node:fs/promises';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DockerRuntime } from '../../agent/runtime/docker/docker.ts';
import { Engine } from '../../agent/runtime/docker/engine.ts';
import { openExec } from '../../agent/runtime/docker/process-stream.ts';
import { systemClock } from '../../shared/clock.ts';
import { dockerMissing } from '../support/docker.ts';
import { type DockerNode, forever, makeDockerNode, shell } from '../support/docker-node.ts';
import { eventually } from '../support/eventually.ts';
import { allStreams, outputOf, patient, textOf } from './runtime/streams.ts';
import { containerOf, exited, runPod, sandboxOf } from './runtime/subject.ts';

const missing = await dockerMissing();

/** Pids of the machine's processes whose arguments hold the mark. */
async function processesWith(mark: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return words.split('\0').includes(mark) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

/** It takes its time before it looks how a command is. */
class LateEngine extends Engine {
  override async call<T>(...args: Parameters<Engine['call']>): Promise<T> {
    if (args[0] === 'inspect exec') await new Promise((resolve) => setTimeout(resolve, 500));
    return (await super.call(...args)) as T;
  }
}

describe.skipIf(missing)('streams on Docker', () => {
  let node: DockerNode;
  let runtime: DockerRuntime;

  beforeAll(async () => {
    node = await makeDockerNode();
    runtime = node.runtime();
  });

  afterAll(async () => {
    await node?.close();
  });

  test('standard output and standard error stay apart, and together on a terminal, whose size can be set', async () => {
    const { id } = await runPod(runtime, forever, 'sources');
    const apart = await runtime.openExec(id, ['sh', '-c', 'echo out; echo err >&2'], allStreams, patient());
    expect(await outputOf(apart)).toEqual({ stdout: 'out\n', stderr: 'err\n' });
    const script = 'read line; stty size; echo err >&2; tty -s && echo terminal';
    const terminal = await runtime.openExec(id, ['sh', '-c', script], { ...allStreams, tty: true }, patient());
    await terminal.resize({ width: 121, height: 43 });
    await terminal.write(Buffer.from('go\n'));
    const { stdout, stderr } = await outputOf(terminal);
    expect(stdout.replaceAll('\r', '')).toBe('go\n43 121\nerr\nterminal\n');
    expect(stderr).toBe('');
  });

  test('a command that there is not is a failed start, in the words of the engine', async () => {
    const { id } = await runPod(runtime, forever, 'no-such');
    const process = await runtime.openExec(id, ['no-such-program'], allStreams, patient());
    await expect(outputOf(process)).rejects.toMatchObject({
      code: 'Start',
      message: expect.stringMatching(/executable file.*not found/),
    });
    const words = 'OCI runtime exec failed: not really';
    const liar = await runtime.openExec(id, ['sh', '-c', `echo ${words}; exit 126`], allStreams, patient());
    expect((await outputOf(liar)).stdout).toBe(`${words}\n`);
    expect(await liar.exitCode(patient())).toBe(126);
  });

  test('a command that is closed goes with all that it has started', async () => {
    const { id } = await runPod(runtime, forever, 'killed');
    const mark = `8${Date.now()}`;
    const script = `(sleep ${mark} & sleep ${mark} &); trap '' HUP TERM; sleep ${mark} & sleep ${mark}`;
    const command = await runtime.openExec(id, ['sh', '-c', script], allStreams, patient());
    await eventually(async () => (await processesWith(mark)).length === 4);
    await command.close();
    await eventually(async () => (await processesWith(mark)).length === 0);
    expect(await runtime.inspectContainer(id)).toMatchObject({ state: 'running' });
  });

  test('a command that would end with its input is killed before that ends, however late the engine reports it', async () => {
    const { id } = await runPod(runtime, forever, 'reading');
    const mark = `5${Date.now()}`;
    const engine = new LateEngine({ clock: systemClock }, node.docker.socket, 1);
    const kill = (pid: number): void => void process.kill(pid, 'SIGKILL');
    const command = ['sh', '-c', `sleep ${mark} & cat`];
    const reading = await openExec({ engine, kill }, id, command, allStreams, patient());
    await eventually(async () => (await processesWith(mark)).length === 1);
    await reading.close();
    await eventually(async () => (await processesWith(mark)).length === 0);
    engine.close();
  });

  test('a command whose opening is given up is not left running', async () => {
    const { id } = await runPod(runtime, forever, 'given-up');
    const mark = `9${Date.now()}`;
    const stop = new AbortController();
    const opening = runtime.openExec(id, ['sleep', mark], allStreams, stop.signal);
    setTimeout(() => stop.abort(), 15);
    await opening.then(
      (process) => process.close(),
      () => undefined,
    );
    expect(await processesWith(mark)).toEqual([]);
  });

  test('a new process of the agent ends the commands of the one before, and no others', async () => {
    const { id } = await runPod(runtime, forever, 'left');
    const [ours, theirs] = [`61${Date.now()}`, `62${Date.now()}`];
    await runtime.openExec(id, ['sleep', ours], allStreams, patient());
    const engine = new Docker({ socketPath: node.docker.socket });
    const exec = await engine.getContainer(id).exec({ Cmd: ['sleep', theirs] });
    await exec.start({ Detach: true });
    await eventually(
      async () => (await processesWith(theirs)).length === 1 && (await processesWith(ours)).length === 1,
    );
    await node.runtime().list();
    await eventually(async () => (await processesWith(ours)).length === 0);
    expect(await processesWith(theirs)).toHaveLength(1);
  });

  test('input that a command does not read waits at its sender, and unread output at the command', async () => {
    const { id } = await runPod(runtime, forever, 'pressure');
    const before = process.memoryUsage.rss();
    const block = Buffer.alloc(65_536);
    const deaf = await runtime.openExec(id, ['sleep', '1000'], { ...allStreams, stdout: true }, patient());
    let given = 0;
    const giving = (async () => {
      for (; given < 512; given++) await deaf.write(block);
    })().catch(() => undefined);
    await eventually(async () => {
      const earlier = given;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return given > 0 && given === earlier;
    });
    expect(given).toBeLessThan(512);
    await deaf.close();
    await giving;

    const loud = await runtime.openExec(id, ['sh', '-c', 'cat /dev/zero | head -c 268435456'], allStreams, patient());
    let taken = 0;
    for await (const { data } of loud.output) taken += data.length;
    expect(taken).toBe(268_435_456);
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 2 ** 20);
  });

  test('an attachment gives input to a container that takes some; its end is the process’s end with stdinOnce', async () => {
    const cat = { image: forever.image, command: ['cat'] };
    const { id } = await runPod(runtime, cat, 'attach-once', { stdin: true, stdinOnce: true });
    const attached = await runtime.attach(id, allStreams, patient());
    await attached.write(Buffer.from('hello\n'));
    attached.endInput();
    expect(await outputOf(attached)).toEqual({ stdout: 'hello\n', stderr: '' });
    expect(await exited(runtime, id)).toMatchObject({ exitCode: 0 });

    const again = await runPod(runtime, cat, 'attach-often', { stdin: true });
    const first = await runtime.attach(again.id, allStreams, patient());
    await first.write(Buffer.from('one\n'));
    first.endInput();
    const [line] = await Promise.all([
      (async () => {
        for await (const { data } of first.output) return Buffer.from(data).toString();
        return '';
      })(),
    ]);
    expect(line).toBe('one\n');
    await first.close();
    expect(await runtime.inspectContainer(again.id)).toMatchObject({ state: 'running' });
  });

  test('connections reach what listens on the loopback only, in either family, and in pods on the node’s network', async () => {
    const httpd = (address: string) =>
      shell(`mkdir /tmp/www; echo ${address} > /tmp/www/index.html;
      httpd -f -p ${address} -h /tmp/www`);
    const ask = async (sandboxId: string, port: number): Promise<string> => {
      const socket = await eventually(() => runtime.dial(sandboxId, port, patient()).catch(() => undefined));
      socket.write('GET /index.html HTTP/1.0\r\n\r\n');
      return textOf(socket);
    };
    const four = await runPod(runtime, httpd('127.0.0.1:8081'), 'loopback-4');
    expect(await ask(four.sandbox.id, 8081)).toContain('127.0.0.1:8081\n');
    const six = await runPod(runtime, httpd('[::1]:8082'), 'loopback-6');
    expect(await ask(six.sandbox.id, 8082)).toContain('[::1]:8082\n');
    const spec = sandboxOf('host-network', { hostNetwork: true, address: undefined });
    const sandbox = await runtime.createSandbox(spec);
    const id = await runtime.createContainer(sandbox.id, containerOf(spec, httpd('127.0.0.1:8083')));
    await runtime.startContainer(id);
    expect(await ask(sandbox.id, 8083)).toContain('127.0.0.1:8083\n');
  });
});
