import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { systemClock } from '../../shared/clock.ts';
import type { Deployment, Node, Pod, ReplicaSet } from '../../shared/generated/types.ts';
import type { Draft } from '../../shared/object.ts';
import { loadOrCreateAuthority } from '../../shared/pki/files.ts';
import { writeKubeconfig } from '../../shared/pki/kubeconfig.ts';
import { systemRandom } from '../../shared/random.ts';
import { type CliResult, type CliRun, startCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { administrator, startTestGrpc, type TestGrpc } from '../support/grpc-server.ts';
import { noPodStreams } from '../support/pod-stream.ts';

let grpc: TestGrpc;
let dir: string;
let env: Record<string, string>;

beforeAll(async () => {
  grpc = await startTestGrpc({
    nodeStreams: {
      ...noPodStreams,
      logs: async (_node, { container, tail, timestamps }) =>
        (async function* () {
          yield Buffer.from(`${container} tail=${tail} timestamps=${timestamps}\n`);
        })(),
    },
  });
  dir = await mkdtemp(join(tmpdir(), 'coracle-cli-'));
  const { ca, credentials } = await grpc.tls(administrator);
  const kubeconfig = writeKubeconfig({
    cluster: 'test',
    user: 'admin',
    rest: 'https://127.0.0.1:1',
    grpc: grpc.address,
    ca,
    credentials,
  });
  await writeFile(join(dir, 'kubeconfig'), kubeconfig);
  env = { KUBECONFIG: join(dir, 'kubeconfig'), HOME: dir };
});
afterAll(async () => {
  await grpc.stop();
  await rm(dir, { recursive: true, force: true });
});

function start(...args: string[]): CliRun {
  return startCli(args, env);
}

async function coracle(...args: string[]): Promise<CliResult> {
  return await start(...args).done;
}

/** The output of a command that must succeed. */
async function ok(...args: string[]): Promise<string> {
  const { code, out, err } = await coracle(...args);
  expect(err, args.join(' ')).toBe('');
  expect(code).toBe(0);
  return out;
}

async function applied(text: string, ...args: string[]): Promise<string> {
  const result = await startCli(['apply', '-f', '-', ...args], env, text).done;
  expect(result.err).toBe('');
  return result.out;
}

function deploymentYaml(
  name: string,
  more: { replicas?: number; image?: string; env?: string; volume?: string } = {},
): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
spec:
${more.replicas === undefined ? '' : `  replicas: ${more.replicas}\n`}  selector:
    matchLabels: {app: ${name}}
  template:
    metadata:
      labels: {app: ${name}}
    spec:
      containers:
        - name: web
          image: ${more.image ?? 'web:1'}
          resources: {requests: {cpu: 0.5, memory: 64Mi}}
${more.env ? `          env: [{name: ${more.env}, value: ours}]\n` : ''}        - name: side
          image: side:1
      volumes:
        - name: data
          ${more.volume ?? 'emptyDir: {}'}
`;
}

function pod(name: string, more: Partial<Pod['spec']> = {}): Draft<Pod> {
  return {
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: { containers: [{ name: 'main', image: 'busybox' }], ...more },
  };
}

describe('apply', () => {
  test('by the server names the owner of a field, and takes it over when forced', async () => {
    const yaml = (value: string) =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shared\ndata:\n  a: "${value}"\n`;
    expect(await applied(yaml('1'), '--server-side', '--field-manager', 'one')).toBe(
      'configmap/shared serverside-applied\n',
    );
    const refused = await startCli(['apply', '-f', '-', '--server-side'], env, yaml('2')).done;
    expect(refused.code).not.toBe(0);
    expect(refused.err).toContain('Apply failed with 1 conflict: conflict with "one": .data.a');
    expect(await applied(yaml('2'), '--server-side', '--force-conflicts')).toBe(
      'configmap/shared serverside-applied\n',
    );
    const pointless = await startCli(['apply', '-f', '-', '--force-conflicts'], env, yaml('2')).done;
    expect(pointless.err).toContain('--force-conflicts only works with --server-side');
  });

  test('creates, then finds nothing to do, then configures what the file has changed', async () => {
    expect(await applied(deploymentYaml('web', { replicas: 2 }))).toBe('deployment.apps/web created\n');
    expect(await applied(deploymentYaml('web', { replicas: 2 }))).toBe('deployment.apps/web unchanged\n');
    expect(await applied(deploymentYaml('web', { replicas: 2, image: 'web:2' }))).toBe(
      'deployment.apps/web configured\n',
    );
    const { spec } = await grpc.client.get('Deployment', 'web', 'default');
    expect(spec.template.spec?.containers.map(({ image }) => image)).toEqual(['web:2', 'side:1']);
  });

  test('removes what the file has no more, and leaves alone what others set', async () => {
    await applied(deploymentYaml('shared', { env: 'OLD' }));
    await grpc.client.patch(
      'Deployment',
      'shared',
      {
        type: 'strategic',
        body: {
          spec: {
            replicas: 4,
            template: {
              spec: {
                containers: [
                  { name: 'web', env: [{ name: 'B', value: 'theirs' }] },
                  { name: 'injected', image: 'i' },
                ],
              },
            },
          },
        },
      },
      { namespace: 'default' },
    );
    expect(await applied(deploymentYaml('shared', { env: 'NEW', volume: 'hostPath: {path: /tmp}' }))).toBe(
      'deployment.apps/shared configured\n',
    );
    const { spec } = await grpc.client.get('Deployment', 'shared', 'default');
    expect(spec.replicas).toBe(4);
    const containers = spec.template.spec?.containers ?? [];
    expect(containers.map(({ name }) => name).sort()).toEqual(['injected', 'side', 'web']);
    const env = containers.find(({ name }) => name === 'web')?.env ?? [];
    expect(env.map(({ name, value }) => `${name}=${value}`).sort()).toEqual(['B=theirs', 'NEW=ours']);
    expect(spec.template.spec?.volumes?.[0]).toMatchObject({ name: 'data', hostPath: { path: '/tmp' } });
    expect(spec.template.spec?.volumes?.[0]).not.toHaveProperty('emptyDir');
  });

  test('takes directories, many documents, and lists', async () => {
    const home = join(dir, 'manifests');
    await mkdir(join(home, 'more'), { recursive: true });
    const configMap = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {a: b}\n`;
    await writeFile(join(home, 'b.yaml'), `${configMap('b1')}---\n${configMap('b2')}---\n`);
    const list = { apiVersion: 'v1', kind: 'List', items: [parse(configMap('a1'))] };
    await writeFile(join(home, 'a.json'), JSON.stringify(list));
    await writeFile(join(home, 'notes.txt'), 'no manifest');
    await writeFile(join(home, 'more', 'c.yml'), configMap('c1'));
    expect(await ok('apply', '-f', home)).toBe('configmap/a1 created\nconfigmap/b1 created\nconfigmap/b2 created\n');
    expect(await ok('apply', '-R', '-f', home)).toContain('configmap/c1 created');
    expect(await ok('delete', '-f', home)).toBe('configmap/b2 deleted\nconfigmap/b1 deleted\nconfigmap/a1 deleted\n');
  });

  test('a dry run reports the changes without making them', async () => {
    expect(await applied(deploymentYaml('dry'), '--dry-run')).toBe('deployment.apps/dry created (dry run)\n');
    expect((await coracle('get', 'deploy', 'dry')).code).toBe(1);
  });

  test.each([
    ['an unknown field', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndatta: {}\n', /unknown field "datta"/],
    [
      'an unknown kind',
      'apiVersion: v1\nkind: Gizmo\nmetadata: {name: x}\n',
      /no matches for kind "Gizmo" in version "v1"/,
    ],
    ['broken YAML', 'a: [', /standard input/],
    ['an invalid object', deploymentYaml('Bad_Name'), /metadata\.name.*\(?/],
    ['nothing', '', /no objects in -/],
  ])('%s is one clear line and a failure', async (_what, text, expected) => {
    const { code, err } = await startCli(['apply', '-f', '-'], env, text).done;
    expect(code).toBe(1);
    expect(err).toMatch(/^error: .*\n$/);
    expect(err).toMatch(expected);
  });
});

describe('get', () => {
  test('shows tables, wide tables, documents and names', async () => {
    await grpc.client.create('Pod', pod('shown', { nodeName: 'n1' }));
    const table = await ok('get', 'pods', 'shown');
    expect(table.split('\n')[0]).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE$/);
    expect(table.split('\n')[1]).toMatch(/^shown +0\/1 +Pending +0 +\d+s$/);
    expect(await ok('get', 'po', 'shown', '-o', 'wide')).toMatch(/NODE.*\n.*n1/);
    expect(parse(await ok('get', 'pod/shown', '-o', 'yaml'))).toMatchObject({ kind: 'Pod', spec: { nodeName: 'n1' } });
    expect(JSON.parse(await ok('get', 'pods', '-l', 'app=shown', '-o', 'json'))).toMatchObject({
      kind: 'List',
      items: [{ kind: 'Pod' }],
    });
    expect(await ok('get', 'pods', '-o', 'name', '--field-selector', 'spec.nodeName=n1')).toBe('pod/shown\n');
    expect(await ok('get', 'pods', '-A', '--show-labels')).toMatch(
      /^NAMESPACE +NAME.*LABELS\n(.*\n)*default +shown .*app=shown/,
    );
    expect(await ok('get', 'pods', 'shown', '--no-headers')).toMatch(/^shown /);
  });

  test('several kinds are shown separately', async () => {
    await applied(deploymentYaml('several'));
    await grpc.client.create('Pod', pod('several'));
    const out = await ok('get', 'all');
    expect(out).toMatch(/^pod\/several /m);
    expect(out).toMatch(/^deployment\.apps\/several /m);
  });

  test('what is not there is an error, and what is there is still shown', async () => {
    await grpc.client.create('Pod', pod('there'));
    const { code, out, err } = await coracle('get', 'pods', 'there', 'nobody');
    expect(code).toBe(1);
    expect(out).toMatch(/^there /m);
    expect(err).toBe('error: pods "nobody" not found (NotFound)\n');
    expect((await coracle('get', 'gizmos')).err).toBe('error: the server has no resource type "gizmos"\n');
    expect(await coracle('get', 'secrets')).toMatchObject({
      code: 0,
      out: '',
      err: 'No resources found in default namespace.\n',
    });
  });

  test('-w goes on with every change', async () => {
    await grpc.client.create('Pod', pod('moving'));
    const run = start('get', 'pods', '-w', '-l', 'app=moving');
    await eventually(() => /^moving .*Pending/m.test(run.out()));
    const present = await grpc.client.get('Pod', 'moving', 'default');
    await grpc.client.updateStatus('Pod', {
      ...present,
      status: { ...present.status, phase: 'Running' } as Pod['status'],
    });
    await eventually(() => /^moving .*Running/m.test(run.out()));
    run.stop();
    expect((await run.done).out.match(/^NAME/gm)).toHaveLength(1);
  });
});

test('describe shows an object with its parts and its events, and never a secret value', async () => {
  const made = await grpc.client.create('Pod', pod('told'));
  await grpc.client.create('Event', {
    metadata: { name: 'told.1', namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'told', namespace: 'default', uid: made.metadata.uid },
    type: 'Warning',
    reason: 'Failed',
    message: 'it did not work',
  });
  const out = await ok('describe', 'pod', 'told');
  expect(out).toMatch(/^Name: +told$/m);
  expect(out).toMatch(/^ {2}main:$/m);
  expect(out).toMatch(/Image: +busybox/);
  expect(out).toMatch(/Warning +Failed .*it did not work/);
  await grpc.client.create('Secret', {
    metadata: { name: 'hidden', namespace: 'default' },
    stringData: { password: 'xyzzy' },
  });
  const secret = await ok('describe', 'secret', 'hidden');
  expect(secret).toContain('password: 5 bytes');
  expect(secret).not.toContain(Buffer.from('xyzzy').toString('base64'));
  await applied(deploymentYaml('told'));
  expect(await ok('describe', 'deploy/told')).toMatch(/Replicas: +1 desired/);
  expect(await ok('describe', 'cm', 'kube-root', '-n', 'default').catch(() => 'none')).toBe('none');
});

describe('delete', () => {
  test('waits until the object is gone', async () => {
    const { metadata } = await grpc.client.create('ConfigMap', {
      metadata: { name: 'sticky', namespace: 'default', finalizers: ['test.example/hold'] },
    });
    const run = start('delete', 'cm', 'sticky');
    await eventually(() => run.out() === 'configmap/sticky deleted\n');
    let over = false;
    const done = run.done.then((result) => {
      over = true;
      return result;
    });
    await eventually(
      async () => (await grpc.client.get('ConfigMap', 'sticky', 'default')).metadata.deletionTimestamp !== undefined,
    );
    expect(over).toBe(false);
    const body = { metadata: { finalizers: null } };
    await grpc.client.patch('ConfigMap', metadata.name, { type: 'merge', body }, { namespace: 'default' });
    expect((await done).code).toBe(0);
  });

  test('requires a name, a selector or --all, and reports when there is nothing to delete', async () => {
    expect((await coracle('delete', 'pods')).err).toBe('error: give names, a selector (-l), or --all\n');
    expect((await coracle('delete', 'pod', 'nobody')).err).toBe('error: pods "nobody" not found\n');
    expect(await coracle('delete', 'pod', 'nobody', '--ignore-not-found')).toMatchObject({ code: 0, err: '' });
    for (const name of ['d1', 'd2']) {
      await grpc.client.create('Pod', {
        ...pod(name),
        metadata: { name, namespace: 'default', labels: { bulk: 'x' } },
      });
    }
    expect(await ok('delete', 'pods', '-l', 'bulk=x')).toBe('pod/d1 deleted\npod/d2 deleted\n');
  });
});

test('logs are those of the requested container, of a pod or of a Deployment', async () => {
  await grpc.client.create('Pod', pod('talker', { nodeName: 'n1' }));
  expect(await ok('logs', 'talker', '--tail', '5', '--timestamps')).toBe('main tail=5 timestamps=true\n');
  await applied(deploymentYaml('talker'));
  expect(await ok('logs', 'deploy/talker')).toContain('main');
});

test('scale sets the replicas, also to none', async () => {
  await applied(deploymentYaml('sized'));
  expect(await ok('scale', 'deploy/sized', '--replicas=0')).toBe('deployment.apps/sized scaled\n');
  expect((await grpc.client.get('Deployment', 'sized', 'default')).spec.replicas).toBe(0);
  expect((await coracle('scale', 'deploy/sized', '--replicas=2', '--current-replicas=7')).code).toBe(1);
  expect((await coracle('scale', 'cm/x', '--replicas=2')).err).toBe('error: a ConfigMap cannot be scaled\n');
});

describe('rollout', () => {
  async function deploymentWithHistory(name: string): Promise<Deployment> {
    await applied(deploymentYaml(name, { image: 'web:2' }));
    const made = await grpc.client.get('Deployment', name, 'default');
    const annotations = { ...made.metadata.annotations, 'deployment.kubernetes.io/revision': '2' };
    const deployment = await grpc.client.update('Deployment', { ...made, metadata: { ...made.metadata, annotations } });
    for (const revision of [1, 2]) {
      const labels = { app: name, 'pod-template-hash': `h${revision}` };
      await grpc.client.create('ReplicaSet', {
        metadata: {
          name: `${name}-h${revision}`,
          namespace: 'default',
          labels,
          annotations: { 'deployment.kubernetes.io/revision': String(revision) },
          ownerReferences: [
            { apiVersion: 'apps/v1', kind: 'Deployment', name, uid: made.metadata.uid, controller: true },
          ],
        },
        spec: {
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: 'web', image: `web:${revision}` }] } },
        },
      } as Draft<ReplicaSet>);
    }
    return deployment;
  }

  test('history lists the versions; undo brings the one before back, and only its template', async () => {
    await deploymentWithHistory('history');
    expect(await ok('rollout', 'history', 'deploy/history')).toMatch(/REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>/);
    expect(await ok('rollout', 'history', 'deploy/history', '--revision=1')).toContain('web:1');
    expect(await ok('rollout', 'undo', 'deploy/history')).toBe('deployment.apps/history rolled back\n');
    const { spec } = await grpc.client.get('Deployment', 'history', 'default');
    expect(spec.template.spec?.containers.map(({ image }) => image)).toEqual(['web:1']);
    expect(spec.template.metadata?.labels).toEqual({ app: 'history' });
    expect((await coracle('rollout', 'undo', 'deploy/history', '--to-revision=9')).err).toContain(
      'unable to find specified revision 9',
    );
  });

  test.each(['DaemonSet', 'StatefulSet'] as const)(
    'history and undo of a %s read its ControllerRevisions',
    async (kind) => {
      const name = `old-${kind.toLowerCase()}`;
      const template = (image: string) => ({
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'main', image }] },
      });
      const spec = { selector: { matchLabels: { app: name } }, serviceName: name, template: template('some:2') };
      if (kind === 'DaemonSet') Reflect.deleteProperty(spec, 'serviceName');
      const made = await grpc.client.create(kind, { metadata: { name, namespace: 'default' }, spec });
      const { uid, generation } = made.metadata;
      const body = { status: { observedGeneration: generation } };
      await grpc.client.patch(kind, name, { type: 'merge', body }, { namespace: 'default', subresource: 'status' });
      for (const revision of [1, 2]) {
        await grpc.client.create('ControllerRevision', {
          metadata: {
            name: `${name}-${revision}`,
            namespace: 'default',
            annotations: { 'kubernetes.io/change-cause': `cause ${revision}` },
            ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid, controller: true }],
          },
          data: { spec: { template: { ...made.spec.template, ...template(`some:${revision}`), $patch: 'replace' } } },
          revision,
        });
      }
      const target = `${kind.toLowerCase()}/${name}`;
      expect(await ok('rollout', 'history', target)).toMatch(/REVISION +CHANGE-CAUSE\n1 +cause 1\n2 +cause 2/);
      expect(await ok('rollout', 'history', target, '--revision=1')).toContain('some:1');
      expect(await ok('rollout', 'undo', target)).toBe(`${kind.toLowerCase()}.apps/${name} rolled back\n`);
      const { spec: after } = await grpc.client.get(kind, name, 'default');
      expect(after.template.spec?.containers.map(({ image }) => image)).toEqual(['some:1']);
      expect(after.template).not.toHaveProperty('$patch');
    },
  );

  test('restart changes the template and nothing else', async () => {
    const before = await deploymentWithHistory('again');
    await ok('rollout', 'restart', 'deploy/again');
    const { spec } = await grpc.client.get('Deployment', 'again', 'default');
    expect(spec.template.metadata?.annotations).toHaveProperty(['kubectl.kubernetes.io/restartedAt']);
    expect(spec.template.spec).toEqual(before.spec.template.spec);
  });

  test('status waits until the newest version is out, and fails when it missed its deadline', async () => {
    await applied(deploymentYaml('out'));
    const run = start('rollout', 'status', 'deploy/out');
    await eventually(() => run.out().includes('Waiting for deployment spec update to be observed'));
    const done = { replicas: 1, updatedReplicas: 1, availableReplicas: 1, readyReplicas: 1 };
    const report = async (status: Deployment['status']) => {
      const made = await grpc.client.get('Deployment', 'out', 'default');
      await grpc.client.updateStatus('Deployment', {
        ...made,
        status: { observedGeneration: made.metadata.generation, ...status },
      });
    };
    await report({ ...done, availableReplicas: 0 });
    await eventually(() => run.out().includes('0 of 1 updated replicas are available'));
    await report(done);
    expect((await run.done).out).toContain('deployment "out" successfully rolled out\n');
    const late = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' };
    await report({ ...done, availableReplicas: 0, conditions: [late] } as Deployment['status']);
    expect(await coracle('rollout', 'status', 'deploy/out')).toMatchObject({
      code: 1,
      err: 'error: deployment "out" exceeded its progress deadline\n',
    });
  });
});

describe('nodes', () => {
  const node = (name: string) => ({
    metadata: { name, labels: { disk: 'hdd' } },
    status: {
      allocatable: { cpu: '1', memory: '1Gi', pods: '10' },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  });

  async function createNode(name: string): Promise<void> {
    const made = await grpc.client.create('Node', node(name) as unknown as Draft<Node>);
    await grpc.client.updateStatus('Node', { ...made, status: node(name).status as unknown as Node['status'] });
  }

  test('cordon and uncordon say what they did, and what was so already', async () => {
    await createNode('c1');
    expect(await ok('cordon', 'c1')).toBe('node/c1 cordoned\n');
    expect((await grpc.client.get('Node', 'c1')).spec?.unschedulable).toBe(true);
    expect(await ok('cordon', 'node/c1')).toBe('node/c1 already cordoned\n');
    expect(await ok('get', 'nodes', 'c1')).toContain('SchedulingDisabled');
    expect(await ok('uncordon', 'c1')).toBe('node/c1 uncordoned\n');
    expect((await grpc.client.get('Node', 'c1')).spec?.unschedulable).toBeFalsy();
  });

  test('drain refuses before it has moved anything, then moves all and waits for them', async () => {
    await createNode('d1');
    const owner = (kind: string) => [{ apiVersion: 'apps/v1', kind, name: 'o', uid: 'o', controller: true }];
    const placed = async (name: string, ownerKind?: string) =>
      grpc.client.create('Pod', {
        ...pod(name, { nodeName: 'd1', terminationGracePeriodSeconds: 0 }),
        metadata: { name, namespace: 'default', ...(ownerKind ? { ownerReferences: owner(ownerKind) } : {}) },
      });
    await placed('owned', 'ReplicaSet');
    await placed('alone');
    await placed('daemon', 'DaemonSet');
    const refused = await coracle('drain', 'd1');
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('default/alone: no controller would make it again (use --force to delete it)');
    expect(refused.err).toContain('default/daemon: managed by a DaemonSet');
    expect((await grpc.client.get('Pod', 'owned', 'default')).metadata.deletionTimestamp).toBeUndefined();

    const out = await ok('drain', 'd1', '--force', '--ignore-daemonsets', '--grace-period=0');
    expect(out).toContain('node/d1 already cordoned');
    expect(out).toContain('pod/owned evicted');
    expect(out).toContain('node/d1 drained');
    expect(await ok('get', 'pods', '--field-selector', 'spec.nodeName=d1', '-o', 'name')).toBe('pod/daemon\n');
    await ok('delete', 'pod', 'daemon', '--force');
  });

  test('why explains for each node, with numbers, why a pod does not fit', async () => {
    await createNode('w1');
    await createNode('w2');
    await ok('cordon', 'w2');
    const requests = { cpu: '800m', memory: '128Mi' };
    const asking = (name: string, more: Partial<Pod['spec']>) =>
      grpc.client.create(
        'Pod',
        pod(name, { containers: [{ name: 'main', image: 'i', resources: { requests } }], ...more }),
      );
    await asking('taker', { nodeName: 'w1' });
    await asking('waiter', { nodeSelector: { disk: 'ssd' } });
    const out = await ok('why', 'waiter');
    expect(out).toContain('default/waiter waits for a node');
    expect(out).toContain('asks for 800m cpu and 128Mi memory, and for a node with disk=ssd');
    expect(out).toMatch(/^w1 +200m\/1 .*has not the label disk=ssd; cpu: asks 800m, free 200m of 1$/m);
    expect(out).toMatch(/^w2 .*cordoned/m);
    expect(await ok('why', 'pod/taker')).toMatch(/^default\/taker is on node w1/);
    for (const name of ['taker', 'waiter']) await ok('delete', 'pod', name, '--force');
  });
});

test('events are shown in order of time, and for one object on request', async () => {
  const event = (name: string, reason: string, second: number) =>
    grpc.client.create('Event', {
      metadata: { name, namespace: 'default' },
      involvedObject: { kind: 'Pod', name: 'evented', namespace: 'default' },
      type: 'Normal',
      reason,
      message: 'm',
      lastTimestamp: `2026-01-01T00:00:0${second}Z`,
    });
  await event('e2', 'Second', 2);
  await event('e1', 'First', 1);
  const out = await ok('events', '--for', 'pod/evented');
  expect(out.split('\n').map((row) => row.split(/ {2,}/)[2])).toEqual(['REASON', 'First', 'Second', undefined]);
});

describe('access', () => {
  test('tokens are made, listed and revoked', async () => {
    const token = (await ok('token', 'create', '--ttl', '1h', '--description', 'rack 2')).trim();
    expect(token).toMatch(/^[a-z0-9]{6}\.[a-z0-9]{16}$/);
    expect(await ok('token', 'list')).toMatch(new RegExp(`${token.slice(0, 6)} +\\d+m.* rack 2`));
    expect(await ok('token', 'create', '--print-join-command')).toMatch(
      new RegExp(`^coracle agent --server ${grpc.address} --token \\S+ --ca-hash ${grpc.authority.hash}\n$`),
    );
    await ok('token', 'revoke', token);
    expect(await ok('token', 'list')).not.toContain(token.slice(0, 6));
  });

  test("kubeconfig issues a certificate for a user with the server's CA", async () => {
    const home = join(dir, 'server');
    const authority = await loadOrCreateAuthority(join(home, 'pki'), 'test', {
      clock: systemClock,
      random: systemRandom,
    });
    const out = await ok(
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
    const { ca, credentials } = await grpc.tls(administrator);
    await writeFile(join(dir, 'ca.crt'), ca);
    await writeFile(join(dir, 'admin.crt'), credentials?.certificate ?? '');
    await writeFile(join(dir, 'admin.key'), credentials?.key ?? '');
    const file = {
      rest: 'https://x',
      grpc: `https://${grpc.address}`,
      ca: 'ca.crt',
      cert: 'admin.crt',
      key: 'admin.key',
    };
    await writeFile(join(dir, 'cluster.json'), JSON.stringify(file));
    const own = await startCli(['get', 'ns', 'default', '-o', 'name'], { CORACLE_CONFIG: join(dir, 'cluster.json') })
      .done;
    expect(own).toEqual({ code: 0, out: 'namespace/default\n', err: '' });
    const flags = [
      '--server',
      grpc.address,
      '--ca',
      join(dir, 'ca.crt'),
      '--cert',
      join(dir, 'admin.crt'),
      '--key',
      join(dir, 'admin.key'),
    ];
    expect((await startCli(['get', 'ns', 'default', '-o', 'name', ...flags], {}).done).out).toBe('namespace/default\n');
  });

  test('version shows client and server', async () => {
    expect(await ok('version')).toMatch(/^Client: v\d+\.\d+\.\d+\nServer: v\d+\.\d+\.\d+\n$/);
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
    const { code, out, err } = await coracle(...args);
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toMatch(/^error: .*\n$/);
    expect(err).toMatch(expected);
  });
});
