import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { isPodReady, readPage, whenAllAnswer } from '../../deploy/demo/web.ts';
import { systemClock as clock } from '../../shared/clock.ts';
import { canRunMachines, root, startCluster, type TestCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';

describe.skipIf(!(await canRunMachines()))('workloads, by kubectl', () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster?.down());

  it('lets pods reach each other across nodes by their addresses', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    await cluster.apply(
      shellPod('callee', 'echo here >/tmp/index.html; exec httpd -f -p 8080 -h /tmp', { nodeName: node(1) }),
    );
    const callee = await whenReady(cluster, 'callee');
    // Debian's static busybox has a wget that crashes.
    const call = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 ${callee.status?.podIP} 8080 | grep ^here`;
    for (const index of [1, 2, 3]) {
      const name = `caller-${index}`;
      await cluster.apply(shellPod(name, call, { nodeName: node(index), restartPolicy: 'Never' }));
      await whenPhase(cluster, name, 'Succeeded');
      expect(await cluster.kubectl('logs', name)).toBe('here\n');
    }
    await cluster.kubectl('delete', 'pod', 'callee', 'caller-1', 'caller-2', 'caller-3');
  });

  it("shows a container's log, its end, what is still coming, and that of the container before", async () => {
    onTestFailed(() => console.log(cluster.logs()));
    const script = 'for i in 1 2 3; do echo line $i; done; sleep 2; echo last; exit 1';
    await cluster.apply(shellPod('talker', script, {}));
    await eventually(async () => (await cluster.kubectl('logs', 'talker')) === 'line 1\nline 2\nline 3\n', {
      timeoutMs: 20_000,
    });
    expect(await cluster.kubectl('logs', 'talker', '--tail=1')).toBe('line 3\n');
    expect(await cluster.kubectl('logs', '-f', 'talker')).toContain('last\n');
    await eventually(
      async () => ((await cluster.pod('talker')).status?.containerStatuses?.[0]?.restartCount ?? 0) > 0,
      { timeoutMs: 20_000 },
    );
    expect(await cluster.kubectl('logs', 'talker', '--previous')).toBe('line 1\nline 2\nline 3\nlast\n');
    await cluster.kubectl('delete', 'pod', 'talker', '--now');
  });

  it("keeps a volume's data when a container restarts, and loses it with the pod", async () => {
    onTestFailed(() => console.log(cluster.logs()));
    const script = 'echo run >>/data/runs; wc -l </data/runs; [ $(wc -l </data/runs) -ge 2 ] && sleep 1000; exit 1';
    const volumes = { volumes: [{ name: 'data', emptyDir: {} }] };
    const manifest = shellPod('counter', script, volumes, { volumeMounts: [{ name: 'data', mountPath: '/data' }] });
    await cluster.apply(manifest);
    await eventually(async () => (await cluster.kubectl('logs', 'counter')).trim() === '2', { timeoutMs: 60_000 });
    expect((await cluster.pod('counter')).status?.containerStatuses?.[0]?.restartCount).toBe(1);
    await cluster.kubectl('delete', 'pod', 'counter', '--now');
    await cluster.apply(manifest);
    await eventually(async () => (await cluster.kubectl('logs', 'counter')).trim() === '1', { timeoutMs: 20_000 });
    await cluster.kubectl('delete', 'pod', 'counter', '--now');
  });

  it('gives pods configuration as files and as environment, after their init containers', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    await cluster.kubectl('apply', '-f', 'deploy/examples/configmap.yaml');
    const pod = await whenReady(cluster, 'greeter');
    expect(await readPage(pod.status?.podIP ?? '')).toBe('<h1>good morning</h1>\n');
    expect(pod.status?.initContainerStatuses?.[0]?.state?.terminated?.exitCode).toBe(0);
    await cluster.kubectl('delete', '-f', 'deploy/examples/configmap.yaml');
    await eventually(async () => (await cluster.pods('app=greeter')).length === 0, { timeoutMs: 20_000 });
  });

  it('rolls a Deployment to a new template and back without ever having too few pods', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    await cluster.kubectl('apply', '-f', 'deploy/examples/web.yaml');
    const first = await whenAllAnswer(cluster.api, 6, clock, 60_000);
    let fewest = 6;
    let rolling = true;
    const watching = (async () => {
      while (rolling) {
        fewest = Math.min(fewest, (await cluster.pods('app=web')).filter(isPodReady).length);
        await clock.sleep(50);
      }
    })();
    const template = { spec: { template: { metadata: { annotations: { round: '2' } } } } };
    await cluster.kubectl('patch', 'deployment', 'web', '-p', JSON.stringify(template));
    await cluster.kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    const second = await whenAllAnswer(cluster.api, 6, clock, 60_000);
    rolling = false;
    await watching;
    expect(second.filter((pod) => first.some((old) => old.metadata.uid === pod.metadata.uid))).toEqual([]);
    // A quarter may be missing, rounded down: Kubernetes' default.
    expect(fewest).toBeGreaterThanOrEqual(5);
    await cluster.kubectl('rollout', 'undo', 'deployment/web');
    await cluster.kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    const third = await whenAllAnswer(cluster.api, 6, clock, 60_000);
    expect(third.every((pod) => pod.metadata.annotations?.round === undefined)).toBe(true);
    await cluster.kubectl('delete', 'deployment', 'web');
    await eventually(async () => (await cluster.pods('app=web')).length === 0, { timeoutMs: 30_000 });
  });

  it('runs the other examples as they are', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    await cluster.kubectl(
      'apply',
      '-f',
      'deploy/examples/pod.yaml',
      '-f',
      'deploy/examples/replication-controller.yaml',
    );
    await whenReady(cluster, 'clock');
    await eventually(async () => (await cluster.pods('app=ticker')).filter(isPodReady).length === 3, {
      timeoutMs: 30_000,
    });
    const [victim] = await cluster.pods('app=ticker');
    await cluster.kubectl('delete', 'pod', victim?.metadata.name ?? '', '--wait=false');
    await eventually(
      async () => {
        const pods = (await cluster.pods('app=ticker')).filter(isPodReady);
        return pods.length === 3 && pods.every((pod) => pod.metadata.uid !== victim?.metadata.uid);
      },
      { timeoutMs: 30_000 },
    );
    await cluster.kubectl(
      'delete',
      '-f',
      'deploy/examples/pod.yaml',
      '-f',
      'deploy/examples/replication-controller.yaml',
    );
    await eventually(async () => (await cluster.pods()).length === 0, { timeoutMs: 30_000 });
  });

  it('lets a pod of every node speak to the API by the address of its service, as its account, with its token', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    await cluster.kubectl('create', 'serviceaccount', 'reader');
    const viewer = ['--clusterrole=view', '--serviceaccount=default:reader'];
    await cluster.kubectl('create', 'rolebinding', 'reader-views', ...viewer);
    const mounts = { volumeMounts: [{ name: 'kubectl', mountPath: '/kubectl', readOnly: true }] };
    const spec = {
      serviceAccountName: 'reader',
      restartPolicy: 'Never',
      volumes: [{ name: 'kubectl', hostPath: { path: '/usr/bin/kubectl', type: 'File' } }],
    };
    const script =
      'HOME=/tmp; export HOME; /kubectl auth whoami && /kubectl get pods -o name && ! /kubectl get secrets';
    for (const index of [1, 2, 3]) {
      await cluster.apply(shellPod(`asker-${index}`, script, { ...spec, nodeName: node(index) }, mounts));
    }
    for (const index of [2, 3]) await whenPhase(cluster, `asker-${index}`, 'Succeeded');
    await whenPhase(cluster, 'asker-1', 'Succeeded');
    const said = await cluster.kubectl('logs', 'asker-1');
    expect(said).toMatch(/Username +system:serviceaccount:default:reader/);
    expect(said).toMatch(/pod-name +\[asker-1\]/);
    expect(said).toContain('pod/asker-1');
    expect(said).toContain('cannot list resource "secrets"');
    const made = ['pod/asker-1', 'pod/asker-2', 'pod/asker-3', 'serviceaccount/reader', 'rolebinding/reader-views'];
    await cluster.kubectl('delete', ...made, '--now');
  });

  it('tells and does what people ask kubectl for', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    const nodes = await cluster.kubectl('get', 'nodes', '-o', 'wide');
    expect(nodes).toMatch(/^NAME +STATUS/);
    for (const index of [1, 2, 3])
      expect(nodes).toMatch(new RegExp(`${node(index)} +Ready.* ${cluster.machine(index).address} `));
    await cluster.kubectl('cordon', node(2));
    expect(await cluster.kubectl('get', 'nodes')).toMatch(/node-2 +Ready,SchedulingDisabled/);
    await cluster.kubectl('uncordon', node(2));
    await cluster.kubectl('label', 'node', node(3), 'disk=fast');
    await cluster.apply(shellPod('picky', 'sleep 1000', { nodeSelector: { disk: 'fast' } }));
    expect((await whenReady(cluster, 'picky')).spec?.nodeName).toBe(node(3));
    expect(await cluster.kubectl('describe', 'pod', 'picky')).toMatch(/Scheduled/);
    expect(await cluster.kubectl('get', 'pods', '-o', 'wide')).toMatch(/picky +1\/1 +Running/);
    await cluster.kubectl('delete', 'pod', 'picky', '--now');
  });

  it('refuses a manifest with a wrong field, and names it', async () => {
    const manifest = readFileSync(join(root, 'deploy/examples/pod.yaml'), 'utf8').replace('image:', 'imagee:');
    await expect(cluster.apply(manifest)).rejects.toThrow(/imagee|image/);
  });

  function node(index: number): string {
    return cluster.machine(index).name;
  }
});

function shellPod(name: string, script: string, spec: object, container: object = {}): object {
  const shell = { name: 'shell', image: 'coracle-demo/shell:1', command: ['sh', '-c', script], ...container };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { terminationGracePeriodSeconds: 1, containers: [shell], ...spec },
  };
}

function whenReady(cluster: TestCluster, name: string) {
  return eventually(
    async () => {
      const pod = await cluster.pod(name);
      return isPodReady(pod) ? pod : undefined;
    },
    { timeoutMs: 30_000, what: `${name} is not ready` },
  );
}

async function whenPhase(cluster: TestCluster, name: string, phase: string): Promise<void> {
  const what = `${name} is not ${phase}`;
  await eventually(async () => (await cluster.pod(name)).status?.phase === phase, { timeoutMs: 30_000, what });
}
