import { execFile } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { component } from '../../control-plane/api/auth/identity.ts';
import type { Container, PodSpec, Status } from '../../shared/generated/types.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import type { PodStreamRequest } from '../../shared/rpc/pod-streams.ts';
import type { Connection, TunnelFrame } from '../../shared/session.ts';
import { dockerMissing, testImage } from '../support/docker.ts';
import { type DockerCluster, startDockerCluster } from '../support/docker-cluster.ts';
import { eventually } from '../support/eventually.ts';

const run = promisify(execFile);
const missing = await dockerMissing();
const mebibyte = 2 ** 20;
const nothing = new Uint8Array();
const local = { name: 'app', image: testImage, imagePullPolicy: 'IfNotPresent' } as const;

type Stream = Connection<TunnelFrame, TunnelFrame>;

interface Outcome {
  stdout: string;
  stderr: string;
  status: Status | undefined;
}

/** Everything up to the last frame. */
async function outcomeOf(stream: Stream): Promise<Outcome> {
  const outcome: Outcome = { stdout: '', stderr: '', status: undefined };
  for await (const { channel, data } of stream.incoming) {
    const text = Buffer.from(data).toString();
    if (channel === 1) outcome.stdout += text;
    else if (channel === 2) outcome.stderr += text;
    else if (channel === 3) outcome.status = JSON.parse(text);
  }
  stream.close();
  return outcome;
}

/** Pids of the machine's processes whose arguments hold the mark. */
async function processesWith(mark: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return words.split('\0').includes(mark) ? [pid] : [];
    }),
  );
  return found.flat();
}

describe.skipIf(missing)('streams into pods, from a gRPC client to Docker', () => {
  let cluster: DockerCluster;
  const patient = AbortSignal.timeout(280_000);
  setMaxListeners(0, patient);
  let pods = 0;

  beforeAll(async () => {
    cluster = await startDockerCluster();
  });
  afterAll(async () => {
    await cluster?.close();
  });

  async function podWith(script: string, more: Partial<Container> = {}, spec: Partial<PodSpec> = {}): Promise<string> {
    const name = `pod-${++pods}`;
    const container = { ...local, command: ['/bin/sh', '-c', script], ...more };
    await cluster.runPod({
      metadata: { name, namespace: 'default' },
      spec: { containers: [container], terminationGracePeriodSeconds: 1, ...spec },
    });
    return name;
  }

  const forever = 'trap "exit 0" TERM; sleep 100000 & wait';
  const connect = (name: string, request: PodStreamRequest, signal = patient): Stream =>
    cluster.client.connect({ namespace: 'default', name }, request, signal);
  const exec = (name: string, command: string[], more: object = {}, signal = patient): Stream =>
    connect(name, { type: 'exec', command, stdout: true, stderr: true, ...more }, signal);
  const shell = (name: string, script: string, more: object = {}): Promise<Outcome> =>
    outcomeOf(exec(name, ['sh', '-c', script], more));

  test('a command’s output comes by its streams, and its exit code in Kubernetes’ Status', async () => {
    const name = await podWith(forever);
    expect(await shell(name, 'echo out; echo err >&2')).toEqual({
      stdout: 'out\n',
      stderr: 'err\n',
      status: { metadata: {}, status: 'Success' },
    });
    expect((await shell(name, 'exit 3')).status).toMatchObject({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      message: 'command terminated with non-zero exit code: error executing command [sh -c exit 3], exit code 3',
      details: { causes: [{ reason: 'ExitCode', message: '3' }] },
    });
    expect((await outcomeOf(exec(name, ['no-such-program']))).status).toMatchObject({
      status: 'Failure',
      reason: 'InternalError',
      message: expect.stringMatching(
        /^Internal error occurred: error executing command in container: .*executable file/,
      ),
    });
  });

  test('what cannot be is refused before anything is opened, in Kubernetes’ words', async () => {
    const name = await podWith(forever);
    const refused = async (stream: Stream): Promise<unknown> => outcomeOf(stream).catch((error: unknown) => error);
    expect(await refused(exec('nobody', ['true']))).toMatchObject({ reason: 'NotFound' });
    expect(await refused(exec(name, ['true'], { container: 'other' }))).toMatchObject({
      message: `container other is not valid for pod ${name}`,
    });
    expect(await refused(exec(name, ['true'], { stdout: false, stderr: false }))).toMatchObject({
      message: 'you must specify at least 1 of stdin, stdout, stderr',
    });
    expect(await refused(exec(name, []))).toMatchObject({ reason: 'BadRequest' });
    const done = await cluster.client.create('Pod', {
      metadata: { name: 'done', namespace: 'default' },
      spec: { restartPolicy: 'Never', containers: [{ ...local, command: ['true'] }] },
    });
    await eventually(
      async () => (await cluster.client.get('Pod', done.metadata.name, 'default')).status?.phase === 'Succeeded',
    );
    expect(await refused(exec('done', ['true']))).toMatchObject({
      reason: 'BadRequest',
      message: 'cannot exec into a container in a completed pod; current phase is Succeeded',
    });
  });

  test('the end of the input reaches the command while its output goes on', async () => {
    const name = await podWith(forever);
    const stream = exec(name, ['sh', '-c', 'cat; echo the end'], { stdin: true });
    await stream.send({ channel: 0, data: Buffer.from('some input\n'), end: false });
    await stream.send({ channel: 0, data: nothing, end: true });
    expect(await outcomeOf(stream)).toMatchObject({ stdout: 'some input\nthe end\n', status: { status: 'Success' } });
  });

  test('a terminal has a size, which can be changed', async () => {
    const name = await podWith(forever);
    const stream = exec(name, ['sh', '-c', 'read line; stty size'], { stdin: true, stderr: false, tty: true });
    const size = Buffer.from(JSON.stringify({ Width: 99, Height: 33 }));
    await stream.send({ channel: 4, data: size, end: false });
    await stream.send({ channel: 0, data: Buffer.from('\n'), end: false });
    expect((await outcomeOf(stream)).stdout).toContain('33 99');
  });

  test.each(['that waits', 'that takes no input', 'whose output nobody takes'])(
    'a command %s is killed with what it started when its client breaks off',
    async (how) => {
      const name = await podWith(forever);
      const mark = `7${Date.now()}`;
      const stop = new AbortController();
      const busy = how === 'whose output nobody takes' ? 'cat /dev/zero' : 'wait';
      const stream = exec(name, ['sh', '-c', `sleep ${mark} & ${busy}`], { stdin: true }, stop.signal);
      await eventually(async () => (await processesWith(mark)).length === 1);
      let given = 0;
      if (how === 'that takes no input') {
        void (async () => {
          for (;;) {
            await stream.send({ channel: 0, data: Buffer.alloc(65_536), end: false });
            given++;
          }
        })().catch(() => undefined);
        await eventually(async () => {
          const before = given;
          await new Promise((resolve) => setTimeout(resolve, 200));
          return given > 0 && given === before;
        });
      }
      stop.abort();
      await eventually(async () => (await processesWith(mark)).length === 0);
      const { stdout } = await run('docker', ['-H', `unix://${cluster.node.docker.socket}`, 'ps', '-q']);
      expect(stdout).not.toBe('');
    },
  );

  test('an attachment takes part in a container’s own process until that ends', async () => {
    const script = 'echo ready; read line; echo "got $line"';
    const name = await podWith(script, { stdin: true, stdinOnce: true }, { restartPolicy: 'Never' });
    const stream = connect(name, { type: 'attach', stdin: true, stdout: true, stderr: true });
    await stream.send({ channel: 0, data: Buffer.from('word\n'), end: false });
    expect(await outcomeOf(stream)).toMatchObject({ stdout: 'got word\n', status: { status: 'Success' } });
  });

  test('an ephemeral container sees the processes of the one it is for, takes input, and is not started again', async () => {
    const name = await podWith('exec sleep 4242');
    const { api } = cluster.controlPlane;
    const debug = {
      ...local,
      name: 'debug',
      targetContainerName: 'app',
      stdin: true,
      stdinOnce: true,
      command: ['sh', '-c', 'read line; ps | grep "[s]leep 4242" >/dev/null && echo "$line: seen"; sleep 1; exit 7'],
    };
    const context = { identity: component('test'), signal: patient, warnings: [] };
    const target = {
      entry: kindNamed('Pod'),
      namespace: 'default',
      name,
      subresource: 'ephemeralcontainers' as const,
    };
    await api.patch(context, target, { type: 'strategic', body: { spec: { ephemeralContainers: [debug] } } });
    const statusOf = async () =>
      (await cluster.client.get('Pod', name, 'default')).status?.ephemeralContainerStatuses?.find(
        (one) => one.name === 'debug',
      );
    await eventually(async () => (await statusOf())?.state?.running !== undefined);
    const attached = connect(name, { type: 'attach', container: 'debug', stdin: true, stdout: true, stderr: true });
    await attached.send({ channel: 0, data: Buffer.from('words\n'), end: false });
    expect(await outcomeOf(attached)).toMatchObject({ stdout: 'words: seen\n', status: { status: 'Success' } });
    await eventually(async () => (await statusOf())?.state?.terminated?.exitCode === 7);
    expect(await statusOf()).toMatchObject({ restartCount: 0, ready: false });
    expect((await cluster.client.get('Pod', name, 'default')).status?.phase).toBe('Running');
  });

  test('connections reach a pod’s port, each with two directions; a closed port is reported', async () => {
    // As many connections may wait for busybox' nc as it has l's; those beyond are reset.
    const name = await podWith(`trap "exit 0" TERM; nc -${'l'.repeat(32)} -p 7 -e cat & wait`);
    const forward = (port: number): Stream => connect(name, { type: 'portforward', port });
    const echo = async (text: string): Promise<string> => {
      const stream = forward(7);
      await stream.send({ channel: 0, data: Buffer.from(text), end: true });
      return (await outcomeOf(stream)).stdout;
    };
    await eventually(async () => (await echo('are you there?')) === 'are you there?');
    const words = Array.from({ length: 20 }, (_, at) => `word ${at}`);
    expect(await Promise.all(words.map(echo))).toEqual(words);
    await expect(outcomeOf(forward(9))).rejects.toMatchObject({
      reason: 'InternalError',
      message: expect.stringMatching(
        new RegExp(
          `^error forwarding port 9 to pod ${name}, uid .*: failed to connect to localhost:9 inside namespace`,
        ),
      ),
    });
  });

  test('much data crosses in little memory, both ways, and heartbeats go on beside a client that is stuck', async () => {
    const name = await podWith(forever);
    const stuck = exec(name, ['cat', '/dev/zero']);
    const amount = 64 * mebibyte;
    const before = process.memoryUsage.rss();
    let peak = before;
    const watching = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss());
    }, 20);
    try {
      let received = 0;
      const down = exec(name, ['sh', '-c', `head -c ${amount} /dev/zero`]);
      for await (const { channel, data } of down.incoming) if (channel === 1) received += data.length;
      down.close();
      expect(received).toBe(amount);

      const up = exec(name, ['sh', '-c', 'wc -c'], { stdin: true });
      const counting = outcomeOf(up);
      const block = Buffer.alloc(65_536);
      for (let sent = 0; sent < amount; sent += block.length) await up.send({ channel: 0, data: block, end: false });
      await up.send({ channel: 0, data: nothing, end: true });
      expect((await counting).stdout.trim()).toBe(String(amount));
    } finally {
      clearInterval(watching);
    }
    expect(peak - before).toBeLessThan(96 * mebibyte);
    const session = cluster.controlPlane.sessions.nodes();
    expect(session).toEqual(['node-1']);
    const node = await cluster.client.get('Node', 'node-1');
    expect(node.status?.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'True' }));
    stuck.close();
  });
});
