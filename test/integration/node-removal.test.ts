import { Agent, request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { systemClock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { createSigningRequest, type KeyPair } from '../../shared/pki/certificates.ts';
import { createToken, revokeToken } from '../../shared/pki/join-tokens.ts';
import { systemRandom } from '../../shared/random.ts';
import { createRpcChannel } from '../../shared/rpc/channel.ts';
import { createGrpcClient, type GrpcClient } from '../../shared/rpc/client.ts';
import { joinCluster } from '../../shared/rpc/enrollment/join.ts';
import { createRpcSchema } from '../../shared/rpc/schema.ts';
import { startCli } from '../support/cli.ts';
import { hasEtcd, startTestEtcd, type TestEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { type RemoteHollowNode, startRemoteHollowNode } from '../support/remote-hollow-node.ts';
import { administrator, call, type ServerProcess, startServerProcess } from '../support/server-process.ts';

const schema = createRpcSchema();
const deps = { clock: systemClock, random: systemRandom, log: silentLog, schema };
const signal = AbortSignal.timeout(120_000);

describe.skipIf(!hasEtcd())('a node of a cluster with two servers', () => {
  let etcd: TestEtcd;
  let first: ServerProcess;
  let second: ServerProcess;
  let client: GrpcClient;
  const running: RemoteHollowNode[] = [];

  beforeAll(async () => {
    etcd = await startTestEtcd();
    first = await startServerProcess({ etcdEndpoints: [etcd.endpoint] });
    second = await startServerProcess({ etcdEndpoints: [etcd.endpoint] }, first);
    const credentials = await first.authority.issueClient(administrator);
    client = createGrpcClient({ address: first.grpc, tls: { ca: first.authority.certificate, credentials } }, deps);
  }, 60_000);
  afterAll(async () => {
    client?.close();
    await Promise.all(running.map((node) => node.stop()));
    await Promise.all([first?.stop(), second?.stop()]);
    await etcd?.cleanup();
  });

  /** A node's certificate, gained with a token that works no longer. */
  async function enrolled(nodeName: string): Promise<KeyPair> {
    const token = await createToken({ ...deps, client });
    const caHash = first.authority.hash;
    const { node } = await joinCluster({ address: second.grpc, nodeName, token, caHash }, deps, signal);
    await revokeToken({ client }, token);
    return node;
  }

  /** Its agent, which has its session with the second server. */
  async function started(name: string, credentials: KeyPair): Promise<RemoteHollowNode> {
    const node = await startRemoteHollowNode(name, second.grpc, { authority: first.authority, schema, credentials });
    running.push(node);
    await eventually(() => isReady(name), { timeoutMs: 20_000, what: `${name} is not ready` });
    return node;
  }

  async function isReady(name: string): Promise<boolean> {
    const { items } = await client.list('Node', { fieldSelector: `metadata.name=${name}` });
    return items.some(({ status }) => status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'));
  }

  async function renewal(name: string, credentials: KeyPair): Promise<unknown> {
    const tls = { ca: first.authority.certificate, credentials };
    const channel = createRpcChannel({ address: first.grpc, tls }, deps);
    const { request: csr } = await createSigningRequest({ user: `system:node:${name}`, groups: ['system:nodes'] });
    try {
      return await channel.unary(schema.enrollment.Renew, { node_name: name, csr });
    } catch (error) {
      return error;
    } finally {
      channel.close();
    }
  }

  const agentOf = ({ certificate, key }: KeyPair): Agent =>
    new Agent({ keepAlive: true, ca: first.authority.certificate, cert: certificate, key });

  it('that is removed is out at once: its certificate, its session and its streams, on every server', async () => {
    const credentials = await enrolled('gone');
    await started('gone', credentials);
    const path = '/api/v1/nodes/gone';
    const agent = agentOf(credentials);
    expect((await call(agent, first.restPort, 'GET', path)).status).toBe(200);
    const watch = watchNode(agent, first.restPort, 'gone');
    await eventually(() => watch.text.includes('"ADDED"'));

    const removal = await startCli(['node', 'remove', 'gone'], { KUBECONFIG: first.kubeconfig }).done;
    expect(removal).toMatchObject({ code: 0, out: 'node "gone" removed\n' });
    expect((await call(agent, first.restPort, 'GET', path)).status).toBe(401);
    await eventually(() => watch.ended, { timeoutMs: 2_000, what: 'the watch has not ended' });
    await eventually(async () => (await call(agent, second.restPort, 'GET', path)).status === 401, {
      timeoutMs: 2_000,
      what: 'the second server still takes its certificate',
    });
    expect(await renewal('gone', credentials)).toMatchObject({ reason: 'Unauthorized' });
    // Its session was the second server's: the lease goes, and no Node comes back, although the agent dials on.
    await eventually(async () => (await leases()).every((name) => name !== 'gone'), { timeoutMs: 20_000 });
    expect((await client.list('Node')).items.map(({ metadata }) => metadata.name)).not.toContain('gone');
    agent.destroy();
  });

  it('an unknown node is removed as well, and the command reports that it was unknown', async () => {
    const removal = await startCli(['node', 'remove', 'typo'], { KUBECONFIG: first.kubeconfig }).done;
    expect(removal.out).toBe('node "typo" removed, of which there was neither a Node nor an enrollment\n');
  });

  it('that is removed may join again with a token', async () => {
    await enrolled('returned');
    await startCli(['node', 'remove', 'returned'], { KUBECONFIG: first.kubeconfig }).done;
    await started('returned', await enrolled('returned'));
  });

  it('whose Node is deleted while it is there is back within 2 s, and renews its certificate', async () => {
    const credentials = await enrolled('kept');
    await started('kept', credentials);
    const { uid } = (await client.get('Node', 'kept')).metadata;
    const deleted = performance.now();
    await client.delete('Node', 'kept');
    await eventually(async () => (await isReady('kept')) && (await client.get('Node', 'kept')).metadata.uid !== uid, {
      timeoutMs: 10_000,
      everyMs: 20,
      what: 'the node has not registered again',
    });
    expect(performance.now() - deleted).toBeLessThan(2_000);
    expect(await renewal('kept', credentials)).toMatchObject({ certificate: expect.stringContaining('BEGIN') });
  });

  it('whose Node was deleted while it was away renews its certificate no more, also when it registers again', async () => {
    const credentials = await enrolled('away');
    const node = await started('away', credentials);
    await node.stop();
    await eventually(async () => (await leases()).every((name) => name !== 'away'), { timeoutMs: 20_000 });
    await client.delete('Node', 'away');
    expect(await renewal('away', credentials)).toMatchObject({ reason: 'Forbidden' });
    await started('away', credentials);
    expect(await renewal('away', credentials)).toMatchObject({
      reason: 'Forbidden',
      message: expect.stringContaining('its Node was deleted while the machine was away; join again with a token'),
    });
  });

  it('closes users’ streams when their certificates expire: a watch, a log, a command, a port, over REST and gRPC', async () => {
    await started('lively', await enrolled('lively'));
    const container = { name: 'app', image: 'example/app', command: ['fake.log=begun'] };
    await client.create('Pod', {
      metadata: { name: 'pod', namespace: 'default' },
      spec: { nodeName: 'lively', containers: [container], terminationGracePeriodSeconds: 1 },
    });
    await eventually(async () => (await client.get('Pod', 'pod', 'default')).status?.phase === 'Running', {
      timeoutMs: 20_000,
      what: 'the pod does not run',
    });
    const begun = performance.now();
    const credentials = await first.authority.issueClient(administrator, 6_000);
    const agent = agentOf(credentials);
    const { ca, cert, key } = agent.options;
    const tls = { ca: first.authority.certificate, credentials };
    const brief = createGrpcClient({ address: first.grpc, tls }, deps);
    const pod = { namespace: 'default', name: 'pod' };
    const path = `wss://127.0.0.1:${first.restPort}/api/v1/namespaces/default/pods/pod`;
    const open = (query: string, protocol: string): WebSocket =>
      new WebSocket(`${path}/${query}`, protocol, { ca, cert, key });
    const command = { type: 'exec', command: ['sleep'], stdout: true, stderr: true, stdin: false } as const;
    const streams: Readonly<Record<string, Promise<unknown>>> = {
      watch: endOf(watchNode(agent, first.restPort, 'lively')),
      exec: closed(open('exec?command=sleep&stdout=true', 'v5.channel.k8s.io')),
      forward: closed(open('portforward?ports=7', 'v4.channel.k8s.io')),
      grpcWatch: drained(brief.watchKind('Pod', {}, signal)),
      grpcLog: drained(brief.logs(pod, { follow: true }, signal)),
      grpcExec: drained(brief.connect(pod, command, signal).incoming),
    };
    const over = new Set<string>();
    const all = Promise.all(
      Object.entries(streams).map(async ([name, end]) => {
        await end.catch(() => undefined);
        over.add(name);
      }),
    );
    try {
      await eventually(() => (over.size > 0 ? true : undefined), { timeoutMs: 15_000, what: 'no stream has ended' });
      expect(performance.now() - begun).toBeGreaterThan(3_000);
      await eventually(() => over.size === Object.keys(streams).length, {
        timeoutMs: 5_000,
        what: `not all have ended: only ${[...over]}`,
      });
      await all;
    } finally {
      brief.close();
      agent.destroy();
    }
  });

  async function leases(): Promise<string[]> {
    const { items } = await client.list('Lease', { namespace: 'kube-node-lease' });
    return items.map(({ metadata }) => metadata.name);
  }
});

async function drained(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

function closed(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.once('close', () => resolve());
  });
}

function endOf(watch: { readonly ended: boolean }): Promise<unknown> {
  return eventually(() => watch.ended, { timeoutMs: 30_000 });
}

function watchNode(agent: Agent, port: number, name: string): { text: string; ended: boolean } {
  const seen = { text: '', ended: false };
  const path = `/api/v1/nodes?watch=true&fieldSelector=metadata.name%3D${name}`;
  const sent = request({ host: '127.0.0.1', port, path, agent }, (answer) => {
    answer.on('data', (data: Buffer) => {
      seen.text += data;
    });
    answer.on('close', () => {
      seen.ended = true;
    });
    answer.on('error', () => undefined);
  });
  sent.on('error', () => undefined);
  sent.end();
  return seen;
}
