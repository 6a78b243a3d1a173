import { lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PodSpec } from '../../shared/generated/types.ts';
import { writeKubeconfig } from '../../shared/pki/kubeconfig.ts';
import { type CliResult, type CliRun, startCli } from '../support/cli.ts';
import { dockerMissing, testImage } from '../support/docker.ts';
import { type DockerCluster, startDockerCluster } from '../support/docker-cluster.ts';
import { eventually } from '../support/eventually.ts';
import { administrator } from '../support/grpc-server.ts';

const missing = await dockerMissing();

describe.skipIf(missing)('the CLI takes part in what runs in pods', () => {
  let cluster: DockerCluster;
  let dir: string;
  let env: Record<string, string>;

  beforeAll(async () => {
    cluster = await startDockerCluster('10.95.0.0/16');
    dir = await mkdtemp(join(tmpdir(), 'coracle-cli-streams-'));
    const { authority, address } = cluster;
    const kubeconfig = writeKubeconfig({
      cluster: 'test',
      user: 'admin',
      rest: 'https://127.0.0.1:1',
      grpc: address,
      ca: authority.certificate,
      credentials: await authority.issueClient(administrator),
    });
    await writeFile(join(dir, 'kubeconfig'), kubeconfig);
    env = { KUBECONFIG: join(dir, 'kubeconfig'), HOME: dir };
    const forever = 'trap "exit 0" TERM; sleep 100000 & wait';
    await pod('web', [shell('app', `echo one; echo two; ${forever}`), shell('side', `echo beside; ${forever}`)]);
    await pod('clock', [shell('app', 'trap "exit 0" TERM; while true; do echo tick; sleep 0.2; done')]);
    await pod('echo', [shell('app', 'trap "exit 0" TERM; nc -ll -p 7 -e cat & wait')]);
  });
  afterAll(async () => {
    await cluster?.close();
    if (dir) await rm(dir, { recursive: true, force: true });
  });

  function shell(name: string, script: string) {
    return { name, image: testImage, imagePullPolicy: 'IfNotPresent' as const, command: ['/bin/sh', '-c', script] };
  }

  function pod(name: string, containers: PodSpec['containers']) {
    return cluster.runPod({
      metadata: { name, namespace: 'default', labels: { app: name } },
      spec: { containers, terminationGracePeriodSeconds: 1 },
    });
  }

  const cli = (args: string[], stdin = ''): CliRun => startCli(args, env, stdin);
  const ended = (args: string[], stdin = ''): Promise<CliResult> => cli(args, stdin).done;

  test('exec runs a command, hands it the input, and ends with its code', async () => {
    expect(await ended(['exec', 'web', '-c', 'app', '--', 'sh', '-c', 'echo out; echo err >&2'])).toEqual({
      code: 0,
      out: 'out\n',
      err: 'err\n',
    });
    expect(await ended(['exec', 'web', '--', 'sh', '-c', 'exit 3'])).toEqual({
      code: 3,
      out: '',
      err: 'Defaulted container "app" out of: app, side\ncommand terminated with exit code 3\n',
    });
    expect(await ended(['exec', '-i', 'echo', '--', 'wc', '-c'], 'x'.repeat(100_000))).toMatchObject({
      code: 0,
      out: '100000\n',
    });
    expect(await ended(['exec', 'web'])).toMatchObject({ code: 1, err: expect.stringContaining('COMMAND') });
    expect(await ended(['exec', 'web', '-c', 'none', '--', 'true'])).toMatchObject({ code: 1 });
  });

  test('attach joins what runs; interrupted, it leaves', async () => {
    const attached = cli(['attach', 'clock']);
    await eventually(() => attached.out().includes('tick\n'));
    attached.stop();
    expect(await attached.done).toMatchObject({ code: 130 });
  });

  test('cp copies trees in and out with their permissions, skips links, and reports missing files', async () => {
    await mkdir(join(dir, 'tree', 'deep'), { recursive: true });
    const big = Buffer.alloc(3_000_000, 'abc');
    await writeFile(join(dir, 'tree', 'big'), big);
    await writeFile(join(dir, 'tree', 'deep', 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
    await writeFile(join(dir, 'tree', 'empty'), '');
    await symlink('big', join(dir, 'tree', 'link'));
    expect(await ended(['cp', join(dir, 'tree'), 'web:/tmp', '-c', 'app'])).toEqual({ code: 0, out: '', err: '' });
    const listed = await ended([
      'exec',
      'web',
      '-c',
      'app',
      '--',
      'sh',
      '-c',
      'cd /tmp/tree; wc -c < big; readlink link',
    ]);
    expect(listed.out).toBe('3000000\nbig\n');
    const back = await ended(['cp', 'default/web:/tmp/tree', join(dir, 'back'), '-c', 'app']);
    expect(back).toMatchObject({ code: 0, err: expect.stringContaining('skipping symlink: tmp/tree/link -> big') });
    expect((await readFile(join(dir, 'back', 'big'))).equals(big)).toBe(true);
    expect((await lstat(join(dir, 'back', 'deep', 'run.sh'))).mode & 0o777).toBe(0o755);
    expect((await lstat(join(dir, 'back', 'empty'))).size).toBe(0);
    expect(await ended(['cp', 'web:/no/such', dir, '-c', 'app'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('/no/such'),
    });
    expect(await ended(['cp', '/no/such', 'web:/tmp', '-c', 'app'])).toMatchObject({
      code: 1,
      err: expect.stringContaining("/no/such doesn't exist in local filesystem"),
    });
  });

  test('port-forward carries connections until it is interrupted', async () => {
    const forwarding = cli(['port-forward', 'pod/echo', ':7', ':9', '--address', '127.0.0.1']);
    const ports = await eventually(() => {
      const found = [...forwarding.out().matchAll(/^Forwarding from 127\.0\.0\.1:(\d+) -> (7|9)$/gm)];
      return found.length === 2 && new Map(found.map(([, local, remote]) => [remote, Number(local)]));
    });
    const ask = async (port: number, words: string): Promise<string> => {
      const socket = connect(port, '127.0.0.1');
      socket.end(words);
      return text(socket);
    };
    await eventually(async () => (await ask(ports.get('7') ?? 0, 'hello')) === 'hello');
    expect(await Promise.all(['a', 'b', 'c'].map((words) => ask(ports.get('7') ?? 0, words)))).toEqual(['a', 'b', 'c']);
    await ask(ports.get('9') ?? 0, 'nobody').catch(() => undefined);
    forwarding.stop();
    expect(await forwarding.done).toMatchObject({
      code: 0,
      err: expect.stringMatching(/error forwarding port 9 to pod echo.*connection refused/),
    });
  });

  test('logs shows several containers and pods, and where each line is from', async () => {
    expect(await ended(['logs', 'web', '--all-containers', '--prefix'])).toEqual({
      code: 0,
      out: '[pod/web/app] one\n[pod/web/app] two\n[pod/web/side] beside\n',
      err: '',
    });
    expect((await ended(['logs', '-l', 'app=web', '-c', 'app', '--tail', '1'])).out).toBe('two\n');
    expect((await ended(['logs', 'web', '-c', 'app', '--limit-bytes', '5'])).out).toBe('one\nt');
    const later = new Date(Date.now() + 60_000).toISOString();
    expect((await ended(['logs', 'web', '-c', 'app', '--since-time', later])).out).toBe('');
    expect(await ended(['logs', 'web', '-c', 'app', '--previous'])).toMatchObject({
      code: 1,
      err: 'error: previous terminated container "app" in pod "web" not found (BadRequest)\n',
    });
  });

  test('run -i --rm takes part in a pod, ends with its code, and leaves nothing', async () => {
    const args = ['run', 'once', '--image', testImage, '--image-pull-policy', 'IfNotPresent', '-i', '--rm'];
    const run = await ended(
      [...args, '--restart', 'Never', '--command', '--', 'sh', '-c', 'read line; echo "got $line"; exit 4'],
      'words\n',
    );
    expect(run).toMatchObject({ code: 4, out: 'got words\n', err: expect.stringContaining('pod "once" deleted') });
    await eventually(async () => (await cluster.client.list('Pod', { namespace: 'default' })).items.length === 3);
  });

  test('debug looks at the processes of a container, in the pod or in a copy of it', async () => {
    // The containers of a copy start one after the other: the command waits for as many as there are to be.
    const count = 'ps | grep -c "[s]leep 100000$"';
    const counted = (wanted: number): string[] => [
      '--',
      'sh',
      '-c',
      `read line; for i in $(seq 30); do [ "$(${count})" = ${wanted} ] && break; sleep 1; done; ${count}`,
    ];
    const image = ['--image', testImage, '--image-pull-policy', 'IfNotPresent', '-i'];
    const inside = await ended(['debug', 'web', ...image, '--target', 'app', ...counted(1)], 'go\n');
    expect(inside).toMatchObject({ code: 0, out: '1\n' });
    const copy = await ended(['debug', 'web', ...image, '--copy-to', 'web-copy', '-c', 'dbg', ...counted(2)], 'go\n');
    expect(copy).toMatchObject({ code: 0, out: '2\n' });
  });
});
