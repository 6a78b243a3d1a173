import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { systemClock } from '../../shared/clock.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { loadOrCreateAuthority } from '../../shared/pki/files.ts';
import { systemRandom } from '../../shared/random.ts';
import { startCli } from '../support/cli.ts';
import { type CliScene, deploymentYaml, pod, startCliScene } from '../support/cli-scene.ts';
import { eventually } from '../support/eventually.ts';
import { administrator } from '../support/grpc-server.ts';

let cli: CliScene;

beforeAll(async () => {
  cli = await startCliScene();
});
afterAll(() => cli?.stop());

describe('get', () => {
  test('shows tables, wide tables, documents and names', async () => {
    await cli.grpc.client.create('Pod', pod('shown', { nodeName: 'n1' }));
    const table = await cli.ok('get', 'pods', 'shown');
    expect(table.split('\n')[0]).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE$/);
    expect(table.split('\n')[1]).toMatch(/^shown +0\/1 +Pending +0 +\d+s$/);
    expect(await cli.ok('get', 'po', 'shown', '-o', 'wide')).toMatch(/NODE.*\n.*n1/);
    expect(parse(await cli.ok('get', 'pod/shown', '-o', 'yaml'))).toMatchObject({
      kind: 'Pod',
      spec: { nodeName: 'n1' },
    });
    expect(JSON.parse(await cli.ok('get', 'pods', '-l', 'app=shown', '-o', 'json'))).toMatchObject({
      kind: 'List',
      items: [{ kind: 'Pod' }],
    });
    expect(await cli.ok('get', 'pods', '-o', 'name', '--field-selector', 'spec.nodeName=n1')).toBe('pod/shown\n');
    expect(await cli.ok('get', 'pods', '-A', '--show-labels')).toMatch(
      /^NAMESPACE +NAME.*LABELS\n(.*\n)*default +shown .*app=shown/,
    );
    expect(await cli.ok('get', 'pods', 'shown', '--no-headers')).toMatch(/^shown /);
  });

  test('several kinds are shown separately', async () => {
    await cli.applied(deploymentYaml('several'));
    await cli.grpc.client.create('Pod', pod('several'));
    const out = await cli.ok('get', 'all');
    expect(out).toMatch(/^pod\/several /m);
    expect(out).toMatch(/^deployment\.apps\/several /m);
  });

  test('what is not there is an error, and what is there is still shown', async () => {
    await cli.grpc.client.create('Pod', pod('there'));
    const { code, out, err } = await cli.coracle('get', 'pods', 'there', 'nobody');
    expect(code).toBe(1);
    expect(out).toMatch(/^there /m);
    expect(err).toBe('error: pods "nobody" not found (NotFound)\n');
    expect((await cli.coracle('get', 'gizmos')).err).toBe('error: the server has no resource type "gizmos"\n');
    expect(await cli.coracle('get', 'secrets')).toMatchObject({
      code: 0,
      out: '',
      err: 'No resources found in default namespace.\n',
    });
  });

  test('-w goes on with every change', async () => {
    await cli.grpc.client.create('Pod', pod('moving'));
    const run = cli.start('get', 'pods', '-w', '-l', 'app=moving');
    await eventually(() => /^moving .*Pending/m.test(run.out()));
    const present = await cli.grpc.client.get('Pod', 'moving', 'default');
    await cli.grpc.client.updateStatus('Pod', {
      ...present,
      status: { ...present.status, phase: 'Running' } as Pod['status'],
    });
    await eventually(() => /^moving .*Running/m.test(run.out()));
    run.stop();
    expect((await run.done).out.match(/^NAME/gm)).toHaveLength(1);
  });
});

test('describe shows an object with its parts and its events, and never a secret value', async () => {
  const made = await cli.grpc.client.create('Pod', pod('told'));
  await cli.grpc.client.create('Event', {
    metadata: { name: 'told.1', namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'told', namespace: 'default', uid: made.metadata.uid },
    type: 'Warning',
    reason: 'Failed',
    message: 'it did not work',
  });
  const out = await cli.ok('describe', 'pod', 'told');
  expect(out).toMatch(/^Name: +told$/m);
  expect(out).toMatch(/^ {2}main:$/m);
  expect(out).toMatch(/Image: +busybox/);
  expect(out).toMatch(/Warning +Failed .*it did not work/);
  await cli.grpc.client.create('Secret', {
    metadata: { name: 'hidden', namespace: 'default' },
    stringData: { password: 'xyzzy' },
  });
  const secret = await cli.ok('describe', 'secret', 'hidden');
  expect(secret).toContain('password: 5 bytes');
  expect(secret).not.toContain(Buffer.from('xyzzy').toString('base64'));
  await cli.applied(deploymentYaml('told'));
  expect(await cli.ok('describe', 'deploy/told')).toMatch(/Replicas: +1 desired/);
  expect(await cli.ok('describe', 'cm', 'kube-root', '-n', 'default').catch(() => 'none')).toBe('none');
});

test('logs are those of the requested container, of a pod or of a Deployment', async () => {
  await cli.grpc.client.create('Pod', pod('talker', { nodeName: 'n1' }));
  expect(await cli.ok('logs', 'talker', '--tail', '5', '--timestamps')).toBe('main tail=5 timestamps=true\n');
  await cli.applied(deploymentYaml('talker'));
  expect(await cli.ok('logs', 'deploy/talker')).toContain('main');
});

test('events are shown in order of time, and for one object on request', async () => {
  const event = (name: string, reason: string, second: number) =>
    cli.grpc.client.create('Event', {
      metadata: { name, namespace: 'default' },
      involvedObject: { kind: 'Pod', name: 'evented', namespace: 'default' },
      type: 'Normal',
      reason,
      message: 'm',
      lastTimestamp: `2026-01-01T00:00:0${second}Z`,
    });
  await event('e2', 'Second', 2);
  await event('e1', 'First', 1);
  const out = await cli.ok('events', '--for', 'pod/evented');
  expect(out.split('\n').map((row) => row.split(/ {2,}/)[2])).toEqual(['REASON', 'First', 'Second', undefined]);
});

describe('access', () => {
  test('tokens are made, listed and revoked', async () => {
    const token = (await cli.ok('token', 'create', '--ttl', '1h', '--description', 'rack 2')).trim();
    expect(token).toMatch(/^[a-z0-9]{6}\.[a-z0-9]{16}$/);
    expect(await cli.ok('token', 'list')).toMatch(new RegExp(`${token.slice(0, 6)} +\\d+m.* rack 2`));
    expect(await cli.ok('token', 'create', '--print-join-command')).toMatch(
      new RegExp(`^coracle agent --server ${cli.grpc.address} --token \\S+ --ca-hash ${cli.grpc.authority.hash}\n$`),
    );
    await cli.ok('token', 'revoke', token);
    expect(await cli.ok('token', 'list')).not.toContain(token.slice(0, 6));
  });

  test("kubeconfig issues a certificate for a user with the server's CA", async () => {
    const home = join(cli.dir, 'server');
    const authority = await loadOrCreateAuthority(join(home, 'pki'), 'test', {
      clock: systemClock,
      random: systemRandom,
    });
    const out = await cli.ok(
      'kubeconfig',
      '--data-dir',
      home,
      '--user',
      'ann',
      '--group',
      'dev',
      '--rest',
      'a:1',
      '--grpc',
      'a:2',
    );
    const { users, clusters } = parse(out);
    expect(users[0].name).toBe('ann');
    expect(Buffer.from(clusters[0].cluster['certificate-authority-data'], 'base64').toString()).toBe(
      authority.certificate,
    );
    expect(clusters[0].cluster.server).toBe('https://a:1');
  });

  test('a cluster.json is as good as a kubeconfig, and flags are as good as both', async () => {
    const { ca, credentials } = await cli.grpc.tls(administrator);
    await writeFile(join(cli.dir, 'ca.crt'), ca);
    await writeFile(join(cli.dir, 'admin.crt'), credentials?.certificate ?? '');
    await writeFile(join(cli.dir, 'admin.key'), credentials?.key ?? '');
    const file = {
      rest: 'https://x',
      grpc: `https://${cli.grpc.address}`,
      ca: 'ca.crt',
      cert: 'admin.crt',
      key: 'admin.key',
    };
    await writeFile(join(cli.dir, 'cluster.json'), JSON.stringify(file));
    const own = await startCli(['get', 'ns', 'default', '-o', 'name'], {
      CORACLE_CONFIG: join(cli.dir, 'cluster.json'),
    }).done;
    expect(own).toEqual({ code: 0, out: 'namespace/default\n', err: '' });
    const flags = [
      '--server',
      cli.grpc.address,
      '--ca',
      join(cli.dir, 'ca.crt'),
      '--cert',
      join(cli.dir, 'admin.crt'),
      '--key',
      join(cli.dir, 'admin.key'),
    ];
    expect((await startCli(['get', 'ns', 'default', '-o', 'name', ...flags], {}).done).out).toBe('namespace/default\n');
  });

  test('version shows client and server', async () => {
    expect(await cli.ok('version')).toMatch(/^Client: v\d+\.\d+\.\d+\nServer: v\d+\.\d+\.\d+\n$/);
  });
});

describe('errors are one line and a failure', () => {
  test.each([
    [[], /no command given/],
    [['gte', 'pods'], /Did you mean get/],
    [['get', 'pods', '--no-such-flag'], /no-such-flag/],
    [['get', 'pods', '--kubeconfig', '/nowhere'], /there is no \/nowhere/],
    [['logs', 'nobody'], /pods "nobody" not found/],
    [['token', 'create', '--ttl', 'soon'], /"soon" is not a duration/],
  ])('%j', async (args, expected) => {
    const { code, out, err } = await cli.coracle(...args);
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toMatch(/^error: .*\n$/);
    expect(err).toMatch(expected);
  });
});
