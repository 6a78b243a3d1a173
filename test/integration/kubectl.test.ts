import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { hasKubectl, inWordsOf132, kubectlProgram } from '../support/kubectl-program.ts';
import { noPodStreams } from '../support/pod-stream.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

const run = promisify(execFile);
const found = hasKubectl();

const logged = new TextEncoder().encode('one\ntwo\n');

describe.skipIf(!found)('kubectl', () => {
  let server: TestRest;
  const environment = (): NodeJS.ProcessEnv => ({
    PATH: process.env.PATH,
    HOME: server.dir,
    KUBECONFIG: server.kubeconfig,
  });
  const flags = (): string[] => [`--cache-dir=${server.dir}/cache`];

  async function kubectl(args: readonly string[], input?: string): Promise<string> {
    const running = run(kubectlProgram, [...args, ...flags()], { env: environment(), timeout: 30_000 });
    running.child.stdin?.end(input ?? '');
    const { stdout, stderr } = await running;
    expect(inWordsOf132(stderr).replaceAll(/^(pod "|Warning: Immediate deletion|Warning: deleting).*\n/gm, '')).toBe(
      '',
    );
    return stdout;
  }

  beforeAll(async () => {
    server = await startTestRest({
      nodeStreams: {
        ...noPodStreams,
        logs: async () =>
          (async function* () {
            yield logged;
          })(),
      },
    });
    await server.client.create('Node', {
      metadata: { name: 'n1', labels: { 'kubernetes.io/hostname': 'n1' } },
      spec: {},
      status: {
        allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
        capacity: { cpu: '4', memory: '8Gi', pods: '110' },
      },
    });
  });
  afterAll(() => server?.stop());

  const deployment = (image: string, more = ''): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "${image}", ports: [{containerPort: 80}]}
${more}`;

  it('applies, changes by applying again, and reports unchanged objects', async () => {
    expect(await kubectl(['apply', '-f', '-'], deployment('web:1'))).toBe('deployment.apps/web created\n');
    expect(await kubectl(['apply', '-f', '-'], deployment('web:1'))).toBe('deployment.apps/web unchanged\n');
    const sidecar = '      - {name: side, image: "side:1"}\n';
    expect(await kubectl(['apply', '-f', '-'], deployment('web:2', sidecar))).toBe('deployment.apps/web configured\n');
    const both = await server.client.get('Deployment', 'web', 'default');
    expect(both.spec.template.spec?.containers.map(({ image }) => image)).toEqual(['web:2', 'side:1']);
    await kubectl(['apply', '-f', '-'], deployment('web:2'));
    const one = await server.client.get('Deployment', 'web', 'default');
    expect(one.spec.template.spec?.containers.map(({ image }) => image)).toEqual(['web:2']);
  });

  it('refuses unknown fields by name when it creates', async () => {
    const bad = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndatum: {a: b}\n';
    await expect(kubectl(['create', '-f', '-'], bad)).rejects.toThrow(/unknown field "datum"/);
  });

  it('gets tables, wide tables, names, YAML and single fields', async () => {
    await kubectl(['create', 'configmap', 'settings', '--from-literal=a=b']);
    expect(await kubectl(['get', 'configmap'])).toMatch(/^NAME +DATA +AGE\nsettings +1 +\S+\n$/);
    expect(await kubectl(['get', 'cm', 'settings', '-o', 'name'])).toBe('configmap/settings\n');
    expect(await kubectl(['get', 'cm/settings', '-o', 'yaml'])).toContain('data:\n  a: b\n');
    expect(await kubectl(['get', 'cm', 'settings', '-o', 'jsonpath={.data.a}'])).toBe('b');
    expect(await kubectl(['get', 'deploy', '-o', 'wide'])).toMatch(/NAME +READY .*IMAGES.*\nweb .*web:2/);
    expect(await kubectl(['get', 'nodes'])).toMatch(/^NAME +STATUS.*\nn1 /);
    expect(await kubectl(['get', 'all'])).toContain('deployment.apps/web');
    expect(await kubectl(['get', 'namespaces'])).toMatch(/kube-system +Active/);
  });

  it('selects by label, by field and over all namespaces', async () => {
    const pod = (name: string, app: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: "${app}"}}
spec: {containers: [{name: main, image: "i:1"}]}
`;
    await kubectl(['create', '-f', '-'], pod('p1', 'x') + pod('p2', 'y'));
    expect(await kubectl(['get', 'pods', '-l', 'app=x', '-o', 'name'])).toBe('pod/p1\n');
    expect(await kubectl(['get', 'pods', '--field-selector', 'metadata.name=p2', '-o', 'name'])).toBe('pod/p2\n');
    expect(await kubectl(['get', 'pods', '--field-selector', 'status.phase!=Pending', '-o', 'name'])).toBe('');
    expect(await kubectl(['get', 'pods', '-A'])).toMatch(/NAMESPACE +NAME.*\ndefault +p1 .*\ndefault +p2 /s);
    expect(await kubectl(['get', 'pods', '--chunk-size=1', '-o', 'name'])).toBe('pod/p1\npod/p2\n');
    expect(await kubectl(['get', 'pods', '--sort-by=.metadata.name'])).toMatch(/p1(.|\n)*p2/);
  });

  it('watches', async () => {
    const watching = spawn(kubectlProgram, ['get', 'configmap', '-w', '-o', 'name', ...flags()], {
      env: environment(),
    });
    const table = spawn(kubectlProgram, ['get', 'configmap', '-w', ...flags()], { env: environment() });
    let names = '';
    let rows = '';
    watching.stdout.on('data', (data) => {
      names += data;
    });
    table.stdout.on('data', (data) => {
      rows += data;
    });
    try {
      await eventually(() => names.includes('configmap/settings') && rows.includes('settings'));
      await kubectl(['create', 'configmap', 'seen', '--from-literal=a=b']);
      await eventually(() => names.includes('configmap/seen') && /seen +1 /.test(rows));
    } finally {
      watching.kill();
      table.kill();
    }
  });

  it('describes', async () => {
    expect(await kubectl(['describe', 'pod', 'p1'])).toMatch(/^Name: +p1\nNamespace: +default\n/);
    expect(await kubectl(['describe', 'deployment', 'web'])).toContain('Replicas:');
    expect(await kubectl(['describe', 'node', 'n1'])).toContain('Allocatable:');
    expect(await kubectl(['describe', 'namespace', 'default'])).toContain('Active');
  });

  it('labels, annotates, scales and patches', async () => {
    await kubectl(['label', 'pod', 'p1', 'tier=front']);
    await kubectl(['annotate', 'pod', 'p1', 'note=hello']);
    const { labels, annotations } = (await server.client.get('Pod', 'p1', 'default')).metadata;
    expect(labels).toEqual({ app: 'x', tier: 'front' });
    expect(annotations).toEqual({ note: 'hello' });
    await kubectl(['label', 'pod', 'p1', 'tier-']);
    expect(await kubectl(['scale', 'deployment', 'web', '--replicas=5'])).toBe('deployment.apps/web scaled\n');
    expect((await server.client.get('Deployment', 'web', 'default')).spec.replicas).toBe(5);
    await kubectl([
      'patch',
      'deployment',
      'web',
      '-p',
      '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:3"}]}}}}',
    ]);
    await kubectl([
      'patch',
      'deployment',
      'web',
      '--type=json',
      '-p',
      '[{"op":"replace","path":"/spec/replicas","value":3}]',
    ]);
    await kubectl(['set', 'image', 'deployment/web', 'web=web:4']);
    const after = await server.client.get('Deployment', 'web', 'default');
    expect(after.spec.replicas).toBe(3);
    expect(after.spec.template.spec?.containers[0]).toMatchObject({ image: 'web:4', ports: [{ containerPort: 80 }] });
  });

  it('edits and replaces', async () => {
    const text = await kubectl(['get', 'cm', 'settings', '-o', 'yaml']);
    await kubectl(['replace', '-f', '-'], text.replace('a: b', 'a: c'));
    await expect(kubectl(['replace', '-f', '-'], text.replace('a: b', 'a: d'))).rejects.toThrow(/has been modified/);
    expect((await server.client.get('ConfigMap', 'settings', 'default')).data).toEqual({ a: 'c' });
  });

  it('cordons, uncordons and taints a node', async () => {
    await kubectl(['cordon', 'n1']);
    expect((await server.client.get('Node', 'n1')).spec?.unschedulable).toBe(true);
    await kubectl(['uncordon', 'n1']);
    expect((await server.client.get('Node', 'n1')).spec?.unschedulable ?? false).toBe(false);
    await kubectl(['taint', 'node', 'n1', 'a=b:NoSchedule']);
    expect((await server.client.get('Node', 'n1')).spec?.taints).toMatchObject([{ key: 'a', value: 'b' }]);
    await kubectl(['taint', 'node', 'n1', 'a-']);
  });

  it('drains a node by eviction', async () => {
    const { metadata } = await server.client.create('Pod', {
      metadata: { name: 'moved', namespace: 'default' },
      spec: { nodeName: 'n1', terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'i:1' }] },
    });
    expect(await kubectl(['drain', 'n1', '--force', '--grace-period=0', '--timeout=20s'])).toContain('n1 drained');
    await expect(server.client.get('Pod', metadata.name, 'default')).rejects.toMatchObject({ reason: 'NotFound' });
    await kubectl(['uncordon', 'n1']);
  });

  it('makes objects from the command line, restarts and edits them', async () => {
    expect(await kubectl(['run', 'quick', '--image=i:1'])).toBe('pod/quick created\n');
    await kubectl(['create', 'deployment', 'made', '--image=i:1', '--replicas=2']);
    await kubectl(['create', 'secret', 'generic', 'hidden', '--from-literal=a=b']);
    expect((await server.client.get('Secret', 'hidden', 'default')).data).toEqual({ a: 'Yg==' });
    await kubectl(['rollout', 'restart', 'deployment/made']);
    const { metadata } = (await server.client.get('Deployment', 'made', 'default')).spec.template;
    expect(metadata?.annotations).toHaveProperty(['kubectl.kubernetes.io/restartedAt']);
    const edited = run(kubectlProgram, ['edit', 'deployment', 'made', ...flags()], {
      env: { ...environment(), EDITOR: 'sed -i s/i:1/i:2/' },
      timeout: 30_000,
    });
    expect((await edited).stdout).toBe('deployment.apps/made edited\n');
    const after = await server.client.get('Deployment', 'made', 'default');
    expect(after.spec.template.spec?.containers[0]?.image).toBe('i:2');
    await kubectl(['delete', 'deployment/made', 'secret/hidden', 'pod/quick', '--now']);
  });

  it('shows logs', async () => {
    await server.client.create('Pod', {
      metadata: { name: 'talker', namespace: 'default' },
      spec: { nodeName: 'n1', containers: [{ name: 'main', image: 'i:1' }] },
    });
    expect(await kubectl(['logs', 'talker'])).toBe('one\ntwo\n');
  });

  it('explains fields and lists what is served', async () => {
    expect(await kubectl(['explain', 'pod.spec.containers'])).toMatch(/FIELD: containers <\[\]Container>/);
    expect(await kubectl(['explain', 'deployment.spec.replicas'])).toContain('replicas <integer>');
    expect(await kubectl(['api-resources'])).toMatch(/deployments +deploy +apps\/v1 +true +Deployment/);
    expect(await kubectl(['api-versions'])).toContain('apps/v1');
    expect(await kubectl(['version'])).toContain('Server Version: v1.32.0+coracle');
  });

  it('deletes by name, by label and whole namespaces', async () => {
    await kubectl(['delete', 'pod', 'p1']);
    await kubectl(['delete', 'pods', '-l', 'app=y']);
    await kubectl(['delete', 'deployment', 'web', '--cascade=background']);
    await kubectl(['delete', 'configmaps', '--all']);
    expect(await kubectl(['get', 'configmaps,deployments', '-o', 'name'])).toBe('');
    await kubectl(['create', 'namespace', 'passing']);
    await kubectl(['delete', 'namespace', 'passing', '--wait=false']);
    const passing = await server.client.get('Namespace', 'passing');
    expect(passing.status?.phase).toBe('Terminating');
    await expect(kubectl(['create', 'configmap', 'late', '-n', 'passing'])).rejects.toThrow(/being terminated/);
    const finalize = { ...passing, spec: { finalizers: [] } };
    const put = await server.call('PUT', '/api/v1/namespaces/passing/finalize', { body: finalize });
    expect(put.status).toBe(200);
    await expect(server.client.get('Namespace', 'passing')).rejects.toMatchObject({ reason: 'NotFound' });
  });
});
