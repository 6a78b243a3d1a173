import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Container, PodSpec } from '../../shared/generated/types.ts';
import type { KeyPair } from '../../shared/pki/certificates.ts';
import { dockerMissing, testImage } from '../support/docker.ts';
import { type DockerCluster, startDockerCluster } from '../support/docker-cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type Kubectl, serveKubectl } from '../support/kubectl.ts';
import { hasKubectl } from '../support/kubectl-program.ts';
import { proxied } from './proxied.ts';

const found = hasKubectl();
const missing = found ? await dockerMissing() : 'no kubectl';

const image = { image: testImage, imagePullPolicy: 'IfNotPresent' } as const;
const mebibyte = 2 ** 20;
const forever = 'trap "exit 0" TERM; while true; do sleep 1 & wait $!; done';
const run = promisify(execFile);

/** The ways in which kubectl reaches a stream; it tries the first by itself. */
const ways: [string, NodeJS.ProcessEnv][] = [
  ['WebSocket', {}],
  ['SPDY', { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }],
];

describe.skipIf(missing)('kubectl with streams', () => {
  let cluster: DockerCluster;
  let kubectl: Kubectl;

  beforeAll(async () => {
    cluster = await startDockerCluster('10.95.0.0/16');
    kubectl = await serveKubectl(cluster);
    await podWith('main', forever);
    await podWith('echo', echoing, { stdin: true });
  });
  afterAll(async () => {
    await kubectl?.close();
    await cluster?.close();
  });

  /** Three ports: an echo, one that says how much came once the client has ended, one that answers a line and closes. */
  const echoing = [
    'nc -ll -p 7001 -e cat &',
    "nc -ll -p 7002 -e sh -c 'echo got $(wc -c)' &",
    "nc -ll -p 7003 -e sh -c 'read line; echo answer' &",
    forever,
  ].join(' ');

  async function podWith(
    name: string,
    script: string,
    more: Partial<Container> = {},
    spec: Partial<PodSpec> = {},
  ): Promise<void> {
    const container = { ...image, name: 'app', command: ['/bin/sh', '-c', script], ...more };
    await cluster.runPod({
      metadata: { name, namespace: 'default' },
      spec: { containers: [container], terminationGracePeriodSeconds: 1, ...spec },
    });
  }

  describe.each(ways)('over %s', (_way, env) => {
    const exec = (...args: string[]) => kubectl.run(['exec', 'main', ...args], { env });

    it('shows output and errors of a command apart, and exits as it did', async () => {
      const ran = await exec('--', 'sh', '-c', 'echo out; echo err >&2; exit 3');
      expect(ran).toEqual({ code: 3, out: 'out\n', err: 'err\ncommand terminated with exit code 3\n' });
      expect(await exec('--', 'true')).toEqual({ code: 0, out: '', err: '' });
    });

    it('reports errors in Kubernetes’ words', async () => {
      const words = async (...args: string[]) => (await kubectl.run(args, { env })).err;
      expect(await words('exec', 'nobody', '--', 'true')).toBe(
        'Error from server (NotFound): pods "nobody" not found\n',
      );
      expect(await words('exec', 'main', '-c', 'other', '--', 'true')).toContain(
        'container other is not valid for pod main',
      );
      expect(await words('exec', 'main', '--', 'no-such-program')).toMatch(/no-such-program.*not found|no such file/);
    });

    it('hands on the end of the input while output goes on', async () => {
      const ran = await kubectl.run(['exec', '-i', 'main', '--', 'sh', '-c', 'cat; echo end'], { env, input: 'x\n' });
      expect(ran).toEqual({ code: 0, out: 'x\nend\n', err: '' });
    });

    it('gives the command a terminal of the current size, and resizes it', async () => {
      // `script` is kubectl's terminal; the command tells its own size again and again.
      const watch = 'while true; do stty size; sleep 0.1; done';
      const command = `stty rows 33 cols 99; tty > tty; exec kubectl exec -it main -- sh -c '${watch}; '`;
      const running = kubectl.start(['-qefc', command, '/dev/null'], { env, command: 'script' });
      try {
        await eventually(() => running.so.out.includes('33 99'));
        const tty = (await readFile(join(kubectl.dir, 'tty'), 'utf8')).trim();
        await run('stty', ['-F', tty, 'rows', '21', 'cols', '77']);
        await eventually(() => running.so.out.includes('21 77'));
        // What is typed reaches the command, control characters too.
        running.child.stdin?.write('\x03');
        expect((await running.done).code).toBe(130);
      } finally {
        running.child.kill('SIGKILL');
      }
    });

    it('attaches to a container, whose input it is', async () => {
      const name = `attach-${_way.toLowerCase()}`;
      const script = 'while read line; do echo "got $line"; done';
      await podWith(name, script, { stdin: true, stdinOnce: true }, { restartPolicy: 'Never' });
      const running = kubectl.start(['attach', '-i', name], { env });
      running.child.stdin?.write('one\n');
      await eventually(() => running.so.out.includes('got one'));
      running.child.stdin?.end('two\n');
      expect(await running.done).toMatchObject({ code: 0, out: expect.stringContaining('got one\ngot two\n') });
    });

    it('copies 64 MiB both ways, unchanged and in little memory', async () => {
      const file = join(kubectl.dir, 'large');
      const bytes = randomBytes(64 * mebibyte);
      await writeFile(file, bytes);
      const memory = watchMemory();
      try {
        expect(await kubectl.run(['cp', file, 'main:/tmp/large'], { env })).toMatchObject({ code: 0, err: '' });
        expect(await kubectl.run(['cp', 'main:/tmp/large', `${file}-back`], { env })).toMatchObject({ code: 0 });
      } finally {
        memory.stop();
      }
      const back = await readFile(`${file}-back`);
      expect(back.equals(bytes)).toBe(true);
      // Server and agent are in this process, and so is what the test holds: it was there before.
      expect(memory.grown()).toBeLessThan(96 * mebibyte);
    });

    it('forwards ports: several, for several connections, each to the end of its own directions', async () => {
      const running = kubectl.start(['port-forward', 'echo', ':7001', ':7002', ':7009'], { env });
      try {
        const [answering, counting, closed] = await localPorts(running, 3);
        const sizes = [1, 2, 3, 4, 5, 6].map((n) => n * 100_000);
        const same = await Promise.all(sizes.map((size) => echoes(answering, randomBytes(size))));
        expect(same).toEqual(sizes.map(() => true));
        expect(await ask(counting, Buffer.alloc(3_000_000))).toBe('got 3000000\n');
        expect(await ask(closed, Buffer.from('x'))).toBe('');
        const { err } = await running.done;
        expect(err).toMatch(/error forwarding port 7009 to pod echo, uid .*refused/);
        expect(err).toContain('error: lost connection to pod');
      } finally {
        running.child.kill('SIGKILL');
      }
    });

    it.each(['that waits', 'that takes no input', 'whose output nobody takes'])(
      'leaves nothing of a command %s behind when it is killed',
      async (how) => {
        const mark = `9${Date.now()}`;
        const busy = how === 'whose output nobody takes' ? 'cat /dev/zero' : 'wait';
        const args = ['exec', '-i', 'main', '--', 'sh', '-c', `sleep ${mark} & ${busy}`];
        const running = kubectl.start(args, { env });
        if (how === 'whose output nobody takes') running.child.stdout?.pause();
        if (how === 'that takes no input') {
          const block = Buffer.alloc(mebibyte);
          for (let i = 0; i < 16; i++) running.child.stdin?.write(block);
        }
        await eventually(async () => (await processesWith(mark)).length === 1);
        running.child.kill('SIGKILL');
        await eventually(async () => (await processesWith(mark)).length === 0, { timeoutMs: 30_000 });
      },
    );

    it('runs a pod, shows its output and removes it', async () => {
      const overrides = JSON.stringify({ spec: { terminationGracePeriodSeconds: 1 } });
      const flags = [
        '--image',
        testImage,
        '--image-pull-policy=IfNotPresent',
        '--restart=Never',
        '--overrides',
        overrides,
      ];
      const command = ['--', 'sh', '-c', 'read word; echo "got $word"; exit 5'];
      const name = `run-${_way.toLowerCase()}`;
      const ran = await kubectl.run(['run', name, '-i', '--rm', ...flags, ...command], { env, input: 'something\n' });
      expect(ran.out).toContain('got something\n');
      expect(ran.out).toContain(`pod "${name}" deleted`);
      expect(ran.code).toBe(5);
      const attached = await kubectl.run(
        ['run', `${name}-a`, '--attach', '--rm', ...flags, '--', 'sh', '-c', 'sleep 1; echo hello'],
        { env },
      );
      expect(attached.out).toContain('hello\n');
      expect(attached.code).toBe(0);
    });
  });

  it('debugs a pod by a container that is added to it, and by a copy', async () => {
    const flags = ['--image', testImage, '--image-pull-policy=IfNotPresent', '--profile=general'];
    // It sees the processes of the container that it aims at, or shares them with.
    const script = 'read word; echo "got $word"; until ps | grep "[t]rap"; do sleep 0.1; done';
    const added = kubectl.start([
      'debug',
      'main',
      '-i',
      '-c',
      'added',
      '--target=app',
      ...flags,
      '--',
      'sh',
      '-c',
      script,
    ]);
    // It waits for the container, then attaches.
    await eventually(() => added.so.err.includes('If you don'), { timeoutMs: 30_000 });
    added.child.stdin?.end('word\n');
    const { out } = await added.done;
    expect(out).toContain('got word\n');
    expect(out).toMatch(/trap "exit 0"/);
    const copied = kubectl.start([
      'debug',
      'main',
      '-i',
      '-c',
      'shell',
      '--copy-to=copy',
      '--share-processes',
      ...flags,
      '--',
      'sh',
      '-c',
      script,
    ]);
    await eventually(() => copied.so.err.includes('If you don'), { timeoutMs: 30_000 });
    copied.child.stdin?.end('word\n');
    expect((await copied.done).out).toMatch(/got word\n[\s\S]*trap "exit 0"/);
  });

  describe('by the older subprotocols of WebSocket', () => {
    const exec = '/api/v1/namespaces/default/pods/main/exec?command=sh&command=-c&stdin=1&stdout=1&stderr=1&command=';
    const script = encodeURIComponent('read word; echo "got $word"; echo err >&2; exit 3');

    it.each([
      ['v5.channel.k8s.io', (message: Buffer) => [message[0], message.toString('utf8', 1)], Buffer.from('\0word\n')],
      ['v4.channel.k8s.io', (message: Buffer) => [message[0], message.toString('utf8', 1)], Buffer.from('\0word\n')],
      [
        'v4.base64.channel.k8s.io',
        (message: Buffer) => [Number(String(message)[0]), Buffer.from(String(message).slice(1), 'base64').toString()],
        `0${Buffer.from('word\n').toString('base64')}`,
      ],
      ['channel.k8s.io', (message: Buffer) => [message[0], message.toString('utf8', 1)], Buffer.from('\0word\n')],
    ])('%s carries a command', async (protocol, read, input) => {
      const socket = open(exec + script, protocol);
      const told: Record<number, string> = {};
      socket.on('message', (message: Buffer) => {
        const [channel, text] = read(message) as [number, string];
        told[channel] = (told[channel] ?? '') + text;
      });
      socket.on('open', () => socket.send(input));
      const [code] = await once(socket, 'close');
      expect(code).toBe(1000);
      expect(socket.protocol).toBe(protocol);
      expect(told).toMatchObject({ 1: 'got word\n', 2: 'err\n' });
      if (protocol === 'channel.k8s.io') expect(told[3]).toMatch(/exit code 3$/);
      else expect(JSON.parse(told[3] ?? '')).toMatchObject({ reason: 'NonZeroExitCode' });
    });

    it('two channels carry a connection to each port', async () => {
      const socket = open('/api/v1/namespaces/default/pods/echo/portforward?ports=7001,7009', 'v4.channel.k8s.io');
      const told: Record<number, Buffer> = {};
      socket.on('message', (message: Buffer) => {
        const channel = message[0] ?? -1;
        told[channel] = Buffer.concat([told[channel] ?? Buffer.alloc(0), message.subarray(1)]);
      });
      await once(socket, 'open');
      socket.send(Buffer.from('\0hello'));
      await eventually(() => told[0]?.length === 7 && (told[3]?.length ?? 0) > 2);
      expect(told[0]?.readUInt16LE()).toBe(7001);
      expect(told[0]?.toString('utf8', 2)).toBe('hello');
      expect(told[1]?.readUInt16LE()).toBe(7001);
      expect(told[3]?.toString('utf8', 2)).toMatch(/^error forwarding port 7009 to pod echo, uid .*refused/);
      socket.terminate();
    });

    it('ends a forwarded connection when the pod ends it, after all bytes and with no error', async () => {
      const socket = open('/api/v1/namespaces/default/pods/echo/portforward?ports=7003', 'v4.channel.k8s.io');
      const channels = ['', ''];
      socket.on('message', (message: Buffer) => {
        channels[message[0] ?? 0] += message.toString('latin1', 1);
      });
      socket.on('open', () => socket.send(Buffer.from('\0GET\n')));
      const [code] = await once(socket, 'close');
      const number = '\x5b\x1b';
      expect([code, channels]).toEqual([1000, [`${number}answer\n`, number]]);
    });

    it('those that are not known are refused, and so is a request without an upgrade', async () => {
      const refused = open(exec + script, 'v9.channel.k8s.io');
      refused.on('error', () => undefined);
      const [, response] = await once(refused, 'unexpected-response');
      expect(response.statusCode).toBe(403);
      const { code, err } = await kubectl.run(['get', '--raw', exec + script]);
      expect([code, err]).toEqual([1, 'Error from server (BadRequest): Upgrade request required\n']);
    });

    it('an unauthorized user is refused before anything is opened; GET requires get, POST requires create', async () => {
      const eve = await cluster.authority.issueClient({ user: 'eve', groups: [] });
      const answerTo = async (method: string, upgrade: string): Promise<number> => {
        const headers = { connection: 'Upgrade', upgrade, 'x-stream-protocol-version': 'v4.channel.k8s.io' };
        const key = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' };
        const [response] = await request(method, exec + script, eve, { ...headers, ...key });
        return response.statusCode ?? 0;
      };
      expect(await answerTo('GET', 'websocket')).toBe(403);
      expect(await answerTo('POST', 'SPDY/3.1')).toBe(403);
      await kubectl.run(['create', 'role', 'looks', '--verb=get', '--resource=pods/exec']);
      await kubectl.run(['create', 'rolebinding', 'eve-looks', '--role=looks', '--user=eve']);
      await eventually(async () => (await answerTo('GET', 'websocket')) === 101);
      expect(await answerTo('POST', 'SPDY/3.1')).toBe(403);
    });

    it('a request without a stream is answered as if it had no upgrade header', async () => {
      const headers = { connection: 'Upgrade', upgrade: 'h2c' };
      const [response, text] = await request('GET', '/version', kubectl.admin, headers);
      expect([response.statusCode, response.headers.connection]).toEqual([200, 'close']);
      expect(JSON.parse(text)).toMatchObject({ major: '1' });
      const [refused] = await request('POST', '/api/v1/namespaces', kubectl.admin, {
        ...headers,
        'content-length': '2',
      });
      expect(refused.statusCode).toBe(400);
    });

    function request(
      method: string,
      path: string,
      pair: KeyPair,
      headers: Record<string, string>,
    ): Promise<[IncomingMessage, string]> {
      const options = { host: '127.0.0.1', port: kubectl.port, ca: kubectl.ca, cert: pair.certificate, key: pair.key };
      return new Promise((resolve, reject) => {
        const sent = httpsRequest({ ...options, method, path, headers, agent: false });
        sent.on('upgrade', (response, socket) => {
          socket.destroy();
          resolve([response, '']);
        });
        sent.on('response', (response) => {
          let text = '';
          response.on('data', (data) => {
            text += data;
          });
          response.on('end', () => resolve([response, text]));
        });
        sent.on('error', reject);
        sent.end(headers['content-length'] ? '{}' : undefined);
      });
    }

    it('a server that closes ends the streams, and what runs in the pods', async () => {
      const mark = `8${Date.now()}`;
      const second = await serveKubectl(cluster);
      const socket = open(`${exec}${encodeURIComponent(`sleep ${mark} & cat`)}`, 'v5.channel.k8s.io', second.port);
      await eventually(async () => (await processesWith(mark)).length === 1);
      const closed = once(socket, 'close');
      const began = performance.now();
      await second.close();
      expect(performance.now() - began).toBeLessThan(4_000);
      await closed;
      await eventually(async () => (await processesWith(mark)).length === 0);
    });

    function open(path: string, protocol: string, port = kubectl.port): WebSocket {
      const { certificate: cert, key } = kubectl.admin;
      return new WebSocket(`wss://127.0.0.1:${port}${path}`, [protocol], { ca: kubectl.ca, cert, key });
    }
  });

  describe('through the proxies of pods, services and nodes', () => {
    proxied({
      cluster: () => cluster,
      kubectl: () => kubectl,
      async podHolding(name, word, more) {
        await podWith(name, `echo one; echo two; sleep ${word} & ${forever}`, more);
        const [pid = ''] = await eventually(async () => {
          const pids = await processesWith(word);
          return pids.length === 1 && pids;
        });
        return pid;
      },
    });
  });

  it('follows the logs of all containers by name', async () => {
    const script = (word: string) => ['/bin/sh', '-c', `echo ${word}; ${forever}`];
    await cluster.runPod({
      metadata: { name: 'two', namespace: 'default' },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: ['one', 'two'].map((name) => ({ ...image, name, command: script(name) })),
      },
    });
    const running = kubectl.start(['logs', '-f', '--all-containers', '--prefix', 'two']);
    try {
      await eventually(
        () => /\[pod\/two\/one\] one\n/.test(running.so.out) && /\[pod\/two\/two\] two\n/.test(running.so.out),
      );
    } finally {
      running.child.kill('SIGKILL');
    }
  });
});

async function localPorts(
  running: { so: { out: string; err: string } },
  count: number,
): Promise<[number, number, number]> {
  const ports = await eventually(() => {
    const seen = [...running.so.out.matchAll(/127\.0\.0\.1:(\d+) ->/g)].map(([, port]) => Number(port));
    return seen.length >= count && seen;
  }).catch((error: unknown) => {
    throw new Error(`${running.so.out}${running.so.err}`, { cause: error });
  });
  const [first = 0, second = 0, third = 0] = ports;
  return [first, second, third];
}

/** Sends all, ends its side, and reads to the other's end. */
function ask(port: number, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    let answer = '';
    socket.on('data', (data) => {
      answer += data;
    });
    socket.on('end', () => {
      socket.destroy();
      resolve(answer);
    });
    socket.setTimeout(20_000, () => socket.destroy(new Error('no answer within 20 s')));
    socket.on('error', reject);
    socket.end(bytes);
  });
}

/** Whether what comes back is what was sent. */
function echoes(port: number, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const hash = createHash('sha1');
    let size = 0;
    socket.on('data', (data) => {
      hash.update(data);
      size += data.length;
      if (size < bytes.length) return;
      socket.destroy();
      resolve(hash.digest('hex') === createHash('sha1').update(bytes).digest('hex'));
    });
    socket.setTimeout(20_000, () => socket.destroy(new Error('no answer within 20 s')));
    socket.on('error', reject);
    socket.write(bytes);
  });
}

function watchMemory(): { stop: () => void; grown: () => number } {
  const before = process.memoryUsage.rss();
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  return { stop: () => clearInterval(timer), grown: () => peak - before };
}

/** Pids of the machine's processes whose arguments hold the mark as a word. */
async function processesWith(mark: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const known = await Promise.all(
    pids.map(async (pid) => {
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return words.split('\0').includes(mark) ? [pid] : [];
    }),
  );
  return known.flat();
}
