import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDisruptionController } from '../../control-plane/controllers/disruption/controller.ts';
import { createGarbageCollector } from '../../control-plane/controllers/garbage-collector/controller.ts';
import { createNamespaceController } from '../../control-plane/controllers/namespace/controller.ts';
import { createQuotaController } from '../../control-plane/controllers/resource-quota/controller.ts';
import { startControllers } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { hasKubectl, inWordsOf132, kubectlProgram } from '../support/kubectl-program.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

const run = promisify(execFile);
const found = hasKubectl();

/** The cluster's refusals, as kubectl shows them. */
describe.skipIf(!found)('kubectl', { timeout: 60_000 }, () => {
  let server: TestRest;
  let stopControllers: (() => Promise<void>) | undefined;

  /** Both outputs; an error is what kubectl says. */
  async function kubectl(command: string, input = ''): Promise<string> {
    const env = { PATH: process.env.PATH, HOME: server.dir, KUBECONFIG: server.kubeconfig };
    const args = [...command.split(' '), `--cache-dir=${server.dir}/cache`];
    const running = run(kubectlProgram, args, { env, timeout: 30_000 });
    running.child.stdin?.end(input);
    const { stdout, stderr } = await running.catch((error: { stdout: string; stderr: string }) => error);
    return inWordsOf132(stderr + stdout);
  }

  beforeAll(async () => {
    server = await startTestRest();
    stopControllers = await startControllers(
      server.client,
      createQuotaController,
      createGarbageCollector,
      createNamespaceController,
      createDisruptionController,
    );
  }, 30_000);
  afterAll(async () => {
    await stopControllers?.();
    await server?.stop();
  });

  const run1 = 'run web --image=a --restart=Never';

  it('shows a quota, and the refusal when it is exceeded', async () => {
    await kubectl('create namespace small');
    expect(await kubectl('create quota q --hard=pods=1,count/secrets=0 -n small')).toBe('resourcequota/q created\n');
    await eventually(async () =>
      expect(await kubectl('get quota q -n small')).toMatch(/count\/secrets: 0\/0, pods: 0\/1/),
    );
    expect(await kubectl(`${run1} -n small`)).toBe('pod/web created\n');
    expect(await kubectl('run more --image=a -n small')).toBe(
      'Error from server (Forbidden): pods "more" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1\n',
    );
    expect(await kubectl('create secret generic s -n small')).toContain(
      'secrets "s" is forbidden: exceeded quota: q, requested: count/secrets=1, used: count/secrets=0, limited: count/secrets=0',
    );
    expect(await kubectl('describe quota q -n small')).toMatch(/pods +1 +1\n/);
  });

  it('sets the defaults of a limit range, and describes it', async () => {
    await kubectl('create namespace ranged');
    const limits = [{ type: 'Container', default: { cpu: '200m' }, max: { cpu: '1' } }];
    const range = { apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'r' }, spec: { limits } };
    expect(await kubectl('create -n ranged -f -', JSON.stringify(range))).toBe('limitrange/r created\n');
    await eventually(() => server.cache.count('LimitRange', 'ranged') === 1);
    await kubectl(`${run1} -n ranged`);
    expect(await kubectl('get pod web -n ranged -o jsonpath={.spec.containers[0].resources.requests.cpu}')).toBe(
      '200m',
    );
    expect(await kubectl('describe limits r -n ranged')).toMatch(/Container +cpu +- +1 +200m +200m/);
  });

  it('gets warnings for pods that violate a level, and the reason when one is refused', async () => {
    await kubectl('create namespace strict');
    await kubectl(`${run1} -n strict`);
    expect(await kubectl('label ns strict pod-security.kubernetes.io/enforce=restricted')).toBe(
      [
        'Warning: existing pods in namespace "strict" violate the new PodSecurity enforce level "restricted:latest"',
        'Warning: web: allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile',
        'namespace/strict labeled\n',
      ].join('\n'),
    );
    expect(await kubectl('create deployment d --image=a -n strict')).toMatch(
      /^Warning: would violate PodSecurity "restricted:latest": .*\ndeployment.apps\/d created\n$/,
    );
    expect(await kubectl('run bad --image=a -n strict')).toMatch(
      /^Error from server \(Forbidden\): pods "bad" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false \(container "bad" must set/,
    );
  });

  it('deletes in every manner', async () => {
    await kubectl('create namespace gone');
    const bound = { nodeName: 'n', containers: [{ name: 'c', image: 'a' }] };
    const pod = (name: string) => server.client.create('Pod', { metadata: { name, namespace: 'gone' }, spec: bound });
    for (const name of ['a', 'b', 'c']) await pod(name);
    expect(await kubectl('delete pod a -n gone --now --wait=false')).toBe('pod "a" deleted\n');
    expect((await server.client.get('Pod', 'a', 'gone')).metadata.deletionGracePeriodSeconds).toBe(1);
    expect(await kubectl('delete pod b -n gone --force')).toBe(
      'Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.\npod "b" force deleted\n',
    );
    expect(await kubectl('delete pod c -n gone --dry-run=server')).toBe('pod "c" deleted (server dry run)\n');
    expect(await kubectl('delete pod c -n gone --grace-period=7 --wait=false')).toBe('pod "c" deleted\n');
    for (const mode of ['orphan', 'background', 'foreground']) {
      const { metadata: owner } = await server.client.create('ConfigMap', {
        metadata: { name: 'o', namespace: 'gone' },
      });
      const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: owner.uid, blockOwnerDeletion: true };
      await server.client.create('Secret', {
        metadata: { name: mode, namespace: 'gone', ownerReferences: [reference] },
      });
      expect(await kubectl(`delete cm o -n gone --cascade=${mode}`)).toBe('configmap "o" deleted\n');
      if (mode === 'orphan') await server.client.get('Secret', mode, 'gone');
      else await eventually(async () => expect(await kubectl(`get secret ${mode} -n gone`)).toContain('NotFound'));
    }
    expect(await kubectl('delete all --all -n gone --force')).toContain('pod "a" force deleted');
    expect(await kubectl('delete cm,secret --all -n gone')).toContain('secret "orphan" deleted');
  });

  it('reads in a namespace what keeps it', async () => {
    await kubectl('create namespace held');
    await server.client.create('ConfigMap', {
      metadata: { name: 'keeper', namespace: 'held', finalizers: ['example.com/x'] },
    });
    expect(await kubectl('delete ns held --wait=false')).toBe('namespace "held" deleted\n');
    await eventually(async () => {
      const text = await kubectl('describe ns held');
      expect(text).toMatch(/NamespaceContentRemaining +True .* configmaps. has 1 resource instances \(keeper\)/);
      return expect(text).toMatch(
        /NamespaceFinalizersRemaining +True .* example.com\/x in 1 resource instances \(configmaps\/keeper\)/,
      );
    });
    expect(await kubectl('create cm late -n held')).toBe(
      'error: failed to create configmap: configmaps "late" is forbidden: unable to create new content in namespace held because it is being terminated\n',
    );
    await kubectl('patch cm keeper -n held --type=merge -p {"metadata":{"finalizers":null}}');
    expect(await kubectl('wait --for=delete ns/held --timeout=10s')).not.toContain('timed out');
  });

  it('waits for a disruption budget when it drains', async () => {
    await server.client.create('Node', { metadata: { name: 'n1' }, spec: {} });
    const made = await server.client.create('Pod', {
      metadata: { name: 'only', namespace: 'default', labels: { app: 'only' } },
      spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'a' }] },
    });
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: made.metadata.creationTimestamp }];
    await server.client.updateStatus('Pod', { ...made, status: { phase: 'Running', conditions } });
    expect(await kubectl('create pdb b --selector=app=only --min-available=1')).toBe(
      'poddisruptionbudget.policy/b created\n',
    );
    await eventually(async () => expect(await kubectl('get pdb b')).toMatch(/b +1 +N\/A +0 /));
    const budget = () => server.client.get('PodDisruptionBudget', 'b', 'default');
    await eventually(async () => (await budget()).status?.currentHealthy === 1);
    expect(await kubectl('drain n1 --force --timeout=2s')).toContain(
      'error when evicting pods/"only" -n "default" (will retry after 5s): Cannot evict pod as it would violate the pod\'s disruption budget.',
    );
    await kubectl('delete pdb b');
    expect(await kubectl('drain n1 --force --grace-period=0 --timeout=20s')).toContain('node/n1 drained');
  });
});
