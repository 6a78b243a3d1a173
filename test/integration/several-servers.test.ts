import { spawnSync } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tryRun } from '../../deploy/cluster/run.ts';
import { systemClock } from '../../shared/clock.ts';
import type { Status } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import type { ClientSubject } from '../../shared/pki/certificates.ts';
import { systemRandom } from '../../shared/random.ts';
import { createRpcChannel, type RpcChannel } from '../../shared/rpc/channel.ts';
import { createGrpcClient, type GrpcClient } from '../../shared/rpc/client.ts';
import { grpcPeers } from '../../shared/rpc/peers.ts';
import { createRpcSchema } from '../../shared/rpc/schema.ts';
import type { Connection, TunnelFrame } from '../../shared/session.ts';
import { hasEtcd, startTestEtcd, type TestEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { type RemoteHollowNode, startRemoteHollowNode } from '../support/remote-hollow-node.ts';
import { administrator, type ServerProcess, startServerProcess } from '../support/server-process.ts';

const found = spawnSync('kubectl', ['version', '--client']).status === 0;
if (!found && process.env.CI) throw new Error('kubectl is not installed: these tests must run in CI');

const deps = { clock: systemClock, random: systemRandom, schema: createRpcSchema() };
const nothing = new Uint8Array();
const mebibyte = 2 ** 20;

type Stream = Connection<TunnelFrame, TunnelFrame>;

/** All that it has to say, and its last word. */
async function outcomeOf(stream: Stream): Promise<{ out: string; status: Status | undefined }> {
  let out = '';
  let status: Status | undefined;
  for await (const { channel, data } of stream.incoming) {
    if (channel === 3) status = JSON.parse(Buffer.from(data).toString());
    else out += Buffer.from(data).toString();
  }
  return { out, status };
}

describe.skipIf(!found || !hasEtcd())('two servers on one etcd, each with requests for a node of the other', () => {
  let etcd: TestEtcd;
  const servers: ServerProcess[] = [];
  const clients: GrpcClient[] = [];
  const nodes: RemoteHollowNode[] = [];
  const patient = AbortSignal.timeout(280_000);
  setMaxListeners(0, patient);

  beforeAll(async () => {
    etcd = await startTestEtcd();
    const etcdEndpoints = [etcd.endpoint];
    const first = await startServerProcess({ etcdEndpoints });
    servers.push(first, await startServerProcess({ etcdEndpoints }, first));
    for (const [at, { grpc, authority }] of servers.entries()) {
      const tls = { ca: authority.certificate, credentials: await authority.issueClient(subjectOf(administrator)) };
      clients.push(createGrpcClient({ address: grpc, tls }, deps));
      nodes.push(await startRemoteHollowNode(`node-${at}`, grpc, { authority, schema: deps.schema }));
    }
    const ready = async (): Promise<boolean> =>
      (await client(0).list('Node')).items.filter(({ status }) =>
        status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True'),
      ).length === 2;
    await eventually(ready, { timeoutMs: 20_000, what: 'the nodes were not ready' });
    for (const at of [0, 1]) {
      const container = { name: 'app', image: 'example/app', command: ['fake.log=begun', 'fake.cpu=250m'] };
      await client(at).create('Pod', {
        metadata: { name: `pod-${at}`, namespace: 'default' },
        spec: { nodeName: `node-${at}`, containers: [container], terminationGracePeriodSeconds: 1 },
      });
      await eventually(async () => (await client(at).get('Pod', `pod-${at}`, 'default')).status?.phase === 'Running', {
        timeoutMs: 20_000,
        what: `pod-${at} did not run`,
      });
    }
  }, 90_000);
  afterAll(async () => {
    for (const each of clients) each.close();
    await Promise.all(nodes.map((node) => node.stop()));
    await Promise.all(servers.map((server) => server.stop()));
    await etcd?.cleanup();
  });

  function at<T>(all: readonly T[], index: number): T {
    const one = all[index];
    if (one === undefined) throw new Error('the servers are not up');
    return one;
  }
  const client = (index: number): GrpcClient => at(clients, index);
  const subjectOf = ({ user, groups }: ClientSubject): ClientSubject => ({ user, groups });
  /** A command in the pod of the other server's node. */
  const exec = (asked: number, command: string[], stdin = false, signal = patient): Stream => {
    const pod = { namespace: 'default', name: `pod-${1 - asked}` };
    return client(asked).connect(pod, { type: 'exec', command, stdout: true, stderr: true, stdin }, signal);
  };
  const kubectl = (asked: number, args: string[], input?: string) =>
    tryRun('kubectl', args, {
      env: { KUBECONFIG: at(servers, asked).kubeconfig },
      ...(input === undefined ? {} : { input }),
    });
  const input = (text: string, end = false): TunnelFrame => ({ channel: 0, data: Buffer.from(text), end });

  describe.each([0, 1])('server %i', (asked) => {
    it('follows a log', async () => {
      const stop = new AbortController();
      const chunks = client(asked).logs(
        { namespace: 'default', name: `pod-${1 - asked}` },
        { follow: true },
        stop.signal,
      );
      for await (const chunk of chunks) {
        expect(Buffer.from(chunk).toString()).toBe('begun\n');
        break;
      }
      stop.abort();
    });

    it('runs a command, ends its input while its output continues, and returns its exit code', async () => {
      const cat = exec(asked, ['cat'], true);
      await cat.send(input('one '));
      await cat.send(input('two', true));
      expect(await outcomeOf(cat)).toMatchObject({ out: 'one two', status: { status: 'Success' } });
      const { status } = await outcomeOf(exec(asked, ['run', 'fake.exit=3']));
      expect(status).toMatchObject({ reason: 'NonZeroExitCode', details: { causes: [{ message: '3' }] } });
    });

    it('carries a connection to a port', async () => {
      const pod = { namespace: 'default', name: `pod-${1 - asked}` };
      const echo = client(asked).connect(pod, { type: 'portforward', port: 7 }, patient);
      await echo.send(input('and back', true));
      expect((await outcomeOf(echo)).out).toBe('and back');
      const closed = client(asked).connect(pod, { type: 'portforward', port: 9 }, patient);
      await expect(outcomeOf(closed)).rejects.toThrow('failed to connect to localhost:9');
    });

    it('leaves nothing running when its client breaks off', async () => {
      const stop = new AbortController();
      const sleeping = outcomeOf(exec(asked, ['sleep'], false, stop.signal));
      await eventually(() => at(nodes, 1 - asked).commands.size === 1);
      stop.abort();
      await eventually(() => at(nodes, 1 - asked).commands.size === 0);
      await sleeping.catch(() => undefined);
    });

    it('knows what all nodes and pods use', async () => {
      const known = async (): Promise<boolean> => {
        const { items } = await client(asked).list('NodeMetrics');
        const { items: pods } = await client(asked).list('PodMetrics', { namespace: 'default' });
        return items.length === 2 && pods.length === 2;
      };
      await eventually(known, { timeoutMs: 20_000 });
      const name = `node-${1 - asked}`;
      expect((await client(asked).get('NodeMetrics', name)).metadata.name).toBe(name);
      const { containers } = await client(asked).get('PodMetrics', `pod-${1 - asked}`, 'default');
      expect(containers.map((each) => each.name)).toEqual(['app']);
    });

    it('does all of it for kubectl', async () => {
      const pod = `pod-${1 - asked}`;
      expect(await kubectl(asked, ['logs', pod])).toMatchObject({ stdout: 'begun\n', status: 0 });
      expect(await kubectl(asked, ['exec', '-i', pod, '--', 'cat'], 'words')).toMatchObject({ stdout: 'words' });
      const agent = `/api/v1/nodes/node-${1 - asked}/proxy`;
      expect(await kubectl(asked, ['get', '--raw', `${agent}/healthz`])).toMatchObject({ stdout: 'ok' });
      expect(await kubectl(asked, ['exec', pod, '--', 'run', 'fake.exit=3'])).toEqual({
        stdout: '',
        stderr: 'command terminated with exit code 3\n',
        status: 3,
      });
      const { stdout } = await kubectl(asked, ['top', 'nodes', '--no-headers']);
      expect(stdout.split('\n').map((line) => line.split(' ')[0])).toEqual(['node-0', 'node-1', '']);
    });
  });

  it('data that the client does not read is not fetched, and all of it arrives in the end', async () => {
    const cat = exec(0, ['cat'], true);
    const block = Buffer.alloc(65_536, 'x');
    let given = 0;
    let taken = 0;
    let stuck = false;
    const total = 64 * mebibyte;
    const giving = (async () => {
      for (; given < total && !stuck; given += block.length) await cat.send({ channel: 0, data: block, end: false });
      await cat.send({ channel: 0, data: nothing, end: true });
    })();
    // It is stuck when nothing has gone for a while.
    await eventually(async () => {
      const before = given;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return given > 0 && given === before;
    });
    expect(given).toBeLessThan(32 * mebibyte);
    stuck = true;
    for await (const { channel, data } of cat.incoming) if (channel === 1) taken += data.length;
    await giving;
    expect(taken).toBe(given);
  });

  it('servers are known by their leases, as those of Kubernetes are', async () => {
    const selector = 'apiserver.kubernetes.io/identity=kube-apiserver';
    const { items } = await client(0).list('Lease', { namespace: 'kube-system', labelSelector: selector });
    const addresses = items.map(({ metadata }) => metadata.annotations?.['coracle.io/grpc-address']);
    expect(addresses.sort()).toEqual(servers.map(({ grpc }) => grpc).sort());
  });

  it('only servers may call a server, and a call is never forwarded', async () => {
    const { grpc: address, authority } = at(servers, 0);
    const asking = async (subject?: ClientSubject): Promise<unknown> => {
      const credentials = subject ? { credentials: await authority.issueClient(subject) } : {};
      const channel: RpcChannel = createRpcChannel(
        { address, tls: { ca: authority.certificate, ...credentials } },
        deps,
      );
      try {
        const heard: string[] = [];
        const messages = channel.serverStream(deps.schema.peers.Usage, {}, patient);
        for await (const { node } of messages) heard.push(node ?? '');
        return heard;
      } catch (error) {
        return error;
      } finally {
        channel.close();
      }
    };
    const node = { user: 'system:node:node-0', groups: ['system:nodes'] };
    for (const who of [undefined, administrator, node]) {
      expect(await asking(who)).toMatchObject({ reason: 'Forbidden' });
    }
    const server = { user: 'coracle:server:test', groups: ['coracle:servers'] };
    expect(await asking(server)).toEqual(['node-0']);

    const pair = authority.issueClient(server);
    const peers = grpcPeers({
      ...{ ...deps, log: silentLog },
      tls: { ca: authority.certificate, serverUser: 'coracle' },
      credentials: () => pair,
    });
    const { items } = await client(0).list('Lease', { namespace: 'kube-node-lease' });
    const holderOf = (name: string): string =>
      items.find(({ metadata }) => metadata.name === name)?.metadata.annotations?.['coracle.io/server'] ?? '';
    const { metadata } = await client(0).get('Pod', 'pod-0', 'default');
    const parameters = { namespace: 'default', pod: 'pod-0', uid: metadata.uid, port: 7 };
    const ask = (id: string, node: string) =>
      peers.open({ id, address }, node, { stream: 'portForward', parameters }, patient);
    expect(await ask(holderOf('node-1'), 'node-0')).toBeUndefined();
    expect(await ask(holderOf('node-0'), 'node-1')).toBeUndefined();
    const stream = await ask(holderOf('node-0'), 'node-0');
    expect(stream).toBeDefined();
    stream?.close();
    peers.close();
  });

  it('a stream ends with the server that holds it; the next waits for the node to come back by another', async () => {
    const sleeping = outcomeOf(exec(0, ['sleep'])).catch((error: unknown) => error);
    const node = at(nodes, 1);
    await eventually(() => node.commands.size === 1);
    node.dial(at(servers, 0).grpc);
    await at(servers, 1).kill();
    const next = exec(0, ['echo', 'hello']);
    expect(await sleeping).toMatchObject({ reason: 'ServiceUnavailable' });
    expect(await outcomeOf(next)).toMatchObject({ out: 'hello\n', status: { status: 'Success' } });
    await eventually(() => node.commands.size === 0);
    const { items } = await client(0).list('NodeMetrics');
    expect(items.map(({ metadata }) => metadata.name)).toContain('node-0');
  });
});
