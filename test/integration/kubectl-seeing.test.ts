import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type HollowKubectl, startHollowKubectl } from '../support/hollow-kubectl.ts';
import { hasKubectl } from '../support/kubectl-program.ts';

const found = hasKubectl();

const container = (name: string, image: string, more: object = {}) => ({ name, image, ...more });
const meta = (name: string, app: string) => ({ name, labels: { app } });
const objects = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: meta('steady', 'a'),
      spec: {
        containers: [container('app', 'example/app:1', { resources: { requests: { cpu: '100m', memory: '64Mi' } } })],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: meta('crashing', 'b'),
      spec: { containers: [container('app', 'fake/exit:3')] },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: meta('past-the-scheduler', 'd'),
      spec: {
        nodeName: 'node-1',
        containers: [container('app', 'example/app:1', { resources: { requests: { cpu: '640' } } })],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: meta('homeless', 'c'),
      spec: { nodeSelector: { never: 'there' }, containers: [container('app', 'example/app:1')] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web' } }, spec: { containers: [container('web', 'example/web:1')] } },
      },
    },
  ],
};

describe.skipIf(!found)('kubectl sees', { timeout: 60_000 }, () => {
  let cluster: HollowKubectl;

  beforeAll(async () => {
    cluster = await startHollowKubectl();
    const { err } = await cluster.kubectl.run(['create', '-f', '-'], { input: JSON.stringify(objects) });
    expect(err).toBe('');
    expect(await kubectl('rollout', 'status', 'deploy/web')).toContain('successfully rolled out');
    expect(await kubectl('wait', '--for=condition=Ready', 'pod/steady')).toBe('pod/steady condition met\n');
  }, 60_000);
  afterAll(async () => {
    await cluster?.close();
  });

  async function kubectl(...args: string[]): Promise<string> {
    const { err, out } = await cluster.kubectl.run(args);
    return err + out;
  }

  async function rows(...args: string[]): Promise<string[][]> {
    const text = await kubectl(...args);
    return text.split('\n').flatMap((line) => (line === '' ? [] : [line.trim().split(/ {2,}/)]));
  }

  /** Reason, from whom, and message of the events at the end of a description. */
  async function eventsOf(...args: string[]): Promise<string[][]> {
    const text = await kubectl('describe', ...args);
    const lines = text.slice(text.indexOf('Events:')).split('\n').slice(3);
    return lines.flatMap((line) => {
      const [, , reason, , from, message] = line.split(/ {2,}/);
      return reason && from && message ? [[reason, from, message]] : [];
    });
  }

  it('what happened to a pod, in the order and the words of Kubernetes', async () => {
    expect(await eventsOf('pod', 'steady')).toEqual([
      ['Scheduled', 'default-scheduler', 'Successfully assigned default/steady to node-1'],
      ['Pulled', 'kubelet', 'Container image "example/app:1" already present on machine'],
      ['Created', 'kubelet', 'Created container: app'],
      ['Started', 'kubelet', 'Started container app'],
    ]);
  });

  it('how often a container was started again, and that it waits', async () => {
    const events = await eventually(
      async () => {
        const all = await kubectl('events', '--for', 'pod/crashing', '--no-headers');
        return /\(x\d+ over \d+s\) +Warning +BackOff/.test(all) && all;
      },
      { timeoutMs: 30_000, everyMs: 500 },
    );
    expect(events).toMatch(
      /BackOff +Pod\/crashing +Back-off restarting failed container app in pod crashing_default\(/,
    );
    expect(events).toMatch(/\(x\d+ over \d+s\) +Normal +Started/);
  });

  it('that a node has refused a pod which the scheduler did not place, and why', async () => {
    const name = 'past-the-scheduler';
    const why = "Node didn't have enough resource: cpu, requested: 640000, used: ";
    const row = await eventually(
      async () => {
        const [found] = await rows('get', 'pod', name, '--no-headers');
        return found?.[2] === 'OutOfcpu' && found;
      },
      { timeoutMs: 10_000 },
    );
    expect(row.slice(0, 4)).toEqual([name, '0/1', 'OutOfcpu', '0']);
    expect(await kubectl('get', 'pod', name, '-o', 'jsonpath={.status.message}')).toContain(`Pod was rejected: ${why}`);
    const events = await eventually(async () => {
      const found = await eventsOf('pod', name);
      return found.length > 0 && found;
    });
    expect(events).toEqual([['OutOfcpu', 'kubelet', expect.stringContaining(why)]]);
  });

  it('why a pod waits for a node', async () => {
    const [event] = await eventsOf('pod', 'homeless');
    expect(event?.slice(0, 2)).toEqual(['FailedScheduling', 'default-scheduler']);
    expect(event?.[2]).toMatch(/^0\/1 nodes are available: 1 node\(s\) didn't match Pod's node affinity\/selector/);
    // Each change of the node is another try, which fails for the same reason.
    await eventually(
      async () => {
        await kubectl('label', 'node', 'node-1', `tried=${Date.now()}`, '--overwrite');
        const again = /FailedScheduling +\d+s \(x\d+ over \d+s\) +default-scheduler/;
        return again.test(await kubectl('describe', 'pod', 'homeless'));
      },
      { timeoutMs: 20_000, everyMs: 300 },
    );
    const events = await kubectl('events', '--for', 'pod/homeless', '--no-headers');
    expect(events).toMatch(/^\d+s \(x\d+ over \d+s\) +Warning +FailedScheduling +Pod\/homeless/);
    const stored = await kubectl(
      'get',
      'events.events.k8s.io',
      '-o',
      'json',
      '--field-selector=reason=FailedScheduling',
    );
    expect(JSON.parse(stored).items).toMatchObject([
      {
        action: 'Scheduling',
        reportingController: 'default-scheduler',
        reportingInstance: expect.stringMatching(/^default-scheduler/),
        regarding: { kind: 'Pod', name: 'homeless' },
        series: { count: expect.any(Number), lastObservedTime: expect.stringMatching(/\.\d{6}Z$/) },
      },
    ]);
  });

  it('what controllers do, under the names that they have in Kubernetes', async () => {
    expect(await eventsOf('deployment', 'web')).toEqual([
      [
        'ScalingReplicaSet',
        'deployment-controller',
        expect.stringMatching(/^Scaled up replica set web-\w+ from 0 to 2$/),
      ],
    ]);
    const created = ['SuccessfulCreate', 'replicaset-controller', expect.stringMatching(/^Created pod: web-/)];
    expect(await eventsOf('rs', '-l', 'app=web')).toEqual([created, created]);
  });

  it('a node: its events, its pods and what they ask of it', async () => {
    const text = await eventually(async () => {
      const all = await kubectl('describe', 'node', 'node-1');
      return all.includes('RegisteredNode') && all.includes('NodeReady') && all;
    });
    expect(text).toMatch(/Starting +\S+ +kubelet +Starting kubelet\./);
    expect(text).toMatch(/NodeReady +\S+ +kubelet +Node node-1 status is now: NodeReady/);
    expect(text).toMatch(
      /RegisteredNode +\S+ +node-controller +Node node-1 event: Registered Node node-1 in Controller/,
    );
    expect(text).toMatch(/default +steady +100m \(2%\) +0 \(0%\) +64Mi \(0%\)/);
    expect(text).toMatch(/HolderIdentity: +node-1\n/);
    for (const word of ['Machine ID', 'Boot ID', 'Kernel Version', 'Container Runtime Version', 'Kubelet Version']) {
      expect(text).toMatch(new RegExp(`${word}: +\\S`));
    }
  });

  it('events by type, in all namespaces, as they come, and in both groups', async () => {
    const warnings = await rows('events', '-A', '--types=Warning', '--no-headers');
    expect(new Set(warnings.map((row) => row[2]))).toEqual(new Set(['Warning']));
    expect((await rows('get', 'events'))[0]).toEqual(['LAST SEEN', 'TYPE', 'REASON', 'OBJECT', 'MESSAGE']);
    expect((await rows('get', 'events', '-o', 'wide'))[0]?.join()).toBe(
      'LAST SEEN,TYPE,REASON,OBJECT,SUBOBJECT,SOURCE,MESSAGE,FIRST SEEN,COUNT,NAME',
    );
    const selector = '--field-selector=involvedObject.name=steady,reason=Started';
    expect((await rows('get', 'events', selector, '--no-headers')).map((row) => row.slice(1, 4))).toEqual([
      ['Normal', 'Started', 'pod/steady'],
    ]);
    const regarding = await kubectl('get', 'events.events.k8s.io', '-o', 'jsonpath={.items[*].regarding.name}');
    expect(regarding).toContain('steady');
    const watching = cluster.kubectl.start(['events', '-w', '--for', 'pod/late']);
    try {
      await kubectl('run', 'late', '--image=example/app:1');
      await eventually(() => /Started +Pod\/late/.test(watching.so.out), { timeoutMs: 20_000 });
    } finally {
      watching.child.kill('SIGKILL');
      await watching.done;
      await kubectl('delete', 'pod', 'late', '--now');
    }
  });

  it('objects in every output format', async () => {
    const select = ['get', 'pods', '-l', 'app in (a,b)'];
    expect(await kubectl(...select, '-o', 'name')).toBe('pod/crashing\npod/steady\n');
    expect(await kubectl(...select, '--chunk-size=1', '-o', 'name')).toBe('pod/crashing\npod/steady\n');
    expect(await rows(...select, '-o', 'custom-columns=N:.metadata.name,I:.spec.containers[0].image')).toEqual([
      ['N', 'I'],
      ['crashing', 'fake/exit:3'],
      ['steady', 'example/app:1'],
    ]);
    expect(await kubectl(...select, '-o', 'jsonpath={.items[*].metadata.labels.app}')).toBe('b a');
    expect(await kubectl(...select, '-o', 'go-template={{range .items}}{{.metadata.name}};{{end}}')).toBe(
      'crashing;steady;',
    );
    const byLabel = await rows(...select, '--sort-by=.metadata.labels.app', '--no-headers');
    expect(byLabel.map(([name]) => name)).toEqual(['steady', 'crashing']);
  });

  it('changes as they come, with what kind of change each is', async () => {
    const watching = cluster.kubectl.start(['get', 'pods', '-l', 'app=a', '--watch-only', '--output-watch-events']);
    try {
      await eventually(
        async () => {
          await kubectl('label', 'pod', 'steady', `seen=${Date.now()}`, '--overwrite');
          return /^EVENT +NAME .*\nMODIFIED +steady /.test(watching.so.out);
        },
        { timeoutMs: 20_000, everyMs: 300 },
      );
    } finally {
      watching.child.kill('SIGKILL');
      await watching.done;
    }
  });

  it('when what it waits for has come, or that it has not', async () => {
    expect(await kubectl('wait', '--for=jsonpath={.status.phase}=Running', 'pod/steady')).toBe(
      'pod/steady condition met\n',
    );
    expect(await kubectl('wait', '--for=condition=Ready', 'pod/homeless', '--timeout=1s')).toBe(
      'error: timed out waiting for the condition on pods/homeless\n',
    );
    await kubectl('run', 'gone', '--image=example/app:1');
    await kubectl('delete', 'pod', 'gone', '--wait=false', '--now');
    expect((await cluster.kubectl.run(['wait', '--for=delete', 'pod/gone', '--timeout=30s'])).code).toBe(0);
  });

  it('the cluster as a whole', async () => {
    expect(await kubectl('cluster-info')).toContain(`is running at https://127.0.0.1:${cluster.kubectl.port}`);
    const dump = join(cluster.kubectl.dir, 'dump');
    expect(await kubectl('cluster-info', 'dump', '--namespaces=default', `--output-directory=${dump}`)).toContain(dump);
    expect(await readdir(join(dump, 'default'))).toEqual(
      expect.arrayContaining(['deployments.json', 'events.json', 'pods.json', 'steady']),
    );
    expect(await kubectl('api-versions')).toMatch(/^metrics\.k8s\.io\/v1beta1$/m);
    expect(await kubectl('version')).toMatch(/Server Version: v1\.32/);
    expect(await kubectl('get', '--raw', '/readyz')).toBe('ok');
    expect(await kubectl('get', 'componentstatuses')).toMatch(/etcd-0 +Healthy/);
    expect(await kubectl('explain', 'nodemetrics.usage')).toContain('FIELD: usage');
  });

  it('what hollow pods say that they use', async () => {
    const top = await eventually(
      async () => {
        const all = await rows('top', 'pods', '-l', 'app=a', '--no-headers');
        return all.length === 1 && all[0];
      },
      { timeoutMs: 20_000, everyMs: 500 },
    );
    // A little over one is rounded up.
    expect(top).toEqual(['steady', expect.stringMatching(/^[12]m$/), '4Mi']);
  });
});
