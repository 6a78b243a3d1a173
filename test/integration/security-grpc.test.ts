import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import { isApiError } from '../../shared/errors.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import type { Draft } from '../../shared/object.ts';
import { createAuthority, createSigningRequest, loadAuthority } from '../../shared/pki/certificates.ts';
import { createToken } from '../../shared/pki/join-tokens.ts';
import { systemRandom } from '../../shared/random.ts';
import { createRpcChannel } from '../../shared/rpc/channel.ts';
import { createGrpcClient } from '../../shared/rpc/client.ts';
import type { NodeCredentials } from '../../shared/rpc/enrollment/credentials.ts';
import { joinCluster, loadOrJoin } from '../../shared/rpc/enrollment/join.ts';
import { keepRenewed } from '../../shared/rpc/enrollment/renewal.ts';
import { grpcSessionTransport } from '../../shared/rpc/session-client.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { eventually } from '../support/eventually.ts';
import { administrator, startTestGrpc, type TestGrpc } from '../support/grpc-server.ts';

const deps = { clock: systemClock, random: systemRandom, log: silentLog };
const signal = AbortSignal.timeout(60_000);
let grpc: TestGrpc;
let dir: string;

beforeAll(async () => {
  grpc = await startTestGrpc();
  dir = await mkdtemp(join(tmpdir(), 'coracle-security-'));
});
afterAll(async () => {
  await grpc.stop();
  await rm(dir, { recursive: true, force: true });
});

describe('authentication', () => {
  test('a certificate of another CA authenticates no user, whatever name it contains', async () => {
    const foreign = await loadAuthority(await createAuthority('foreign', deps), deps);
    const credentials = await foreign.issueClient({ user: 'kubernetes-admin', groups: ['system:masters'] });
    const client = createGrpcClient(
      { address: grpc.address, tls: { ca: grpc.authority.certificate, credentials } },
      deps,
    );
    try {
      await expect(client.list('Pod')).rejects.toMatchObject({
        reason: 'Forbidden',
        message:
          'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at the cluster scope',
      });
    } finally {
      client.close();
    }
  });

  test('a certificate that names our CA as its issuer but has no valid signature is refused', async () => {
    const forged = await loadAuthority(await createAuthority('test-ca', deps), deps);
    const credentials = await forged.issueClient({ user: 'kubernetes-admin', groups: ['system:masters'] });
    const client = createGrpcClient(
      { address: grpc.address, tls: { ca: grpc.authority.certificate, credentials } },
      deps,
    );
    try {
      await expect(client.list('Secret')).rejects.toThrow('User "system:anonymous" cannot list');
    } finally {
      client.close();
    }
  });

  test('an expired certificate is worth nothing, also on a connection that it opened while it was good', async () => {
    const credentials = await grpc.authority.issueClient({ user: 'brief', groups: ['system:masters'] }, 3000);
    const client = createGrpcClient(
      { address: grpc.address, tls: { ca: grpc.authority.certificate, credentials } },
      deps,
    );
    try {
      await expect(client.list('Node')).resolves.toBeDefined();
      await eventually(
        async () => {
          const error = await client.list('Node').then(
            () => undefined,
            (reason: Error) => reason,
          );
          return isApiError(error, 'Unauthorized');
        },
        { timeoutMs: 10_000, everyMs: 200 },
      );
    } finally {
      client.close();
    }
  });

  test('a stream ends with the certificate that it was opened with', async () => {
    const credentials = await grpc.authority.issueClient({ user: 'brief', groups: ['system:masters'] }, 3000);
    const client = createGrpcClient(
      { address: grpc.address, tls: { ca: grpc.authority.certificate, credentials } },
      deps,
    );
    try {
      await expect(collect(client.watch(['Node'], signal))).rejects.toMatchObject({
        reason: 'Unauthorized',
        message: 'the client certificate has expired',
      });
    } finally {
      client.close();
    }
  });

  test("a server's certificate does not work as a client's", async () => {
    const credentials = await grpc.authority.issueServer({ commonName: 'kubernetes-admin', names: ['localhost'] });
    const client = createGrpcClient(
      { address: grpc.address, tls: { ca: grpc.authority.certificate, credentials } },
      deps,
    );
    try {
      await expect(client.list('Pod')).rejects.toThrow('User "system:anonymous" cannot list');
    } finally {
      client.close();
    }
  });

  test('a client refuses a server of another CA, and one whose certificate is for another name', async () => {
    const foreign = await createAuthority('foreign', deps);
    const tls = { ca: foreign.certificate };
    const wrongCa = createGrpcClient({ address: grpc.address, tls }, deps);
    const wrongName = createGrpcClient(
      { address: grpc.address, tls: { ca: grpc.authority.certificate, serverName: 'other.example' } },
      deps,
    );
    try {
      await expect(wrongCa.create('Namespace', { metadata: { name: 'x' } })).rejects.toMatchObject({
        reason: 'ServiceUnavailable',
      });
      await expect(wrongName.create('Namespace', { metadata: { name: 'x' } })).rejects.toThrow(
        /altnames|other\.example/,
      );
    } finally {
      wrongCa.close();
      wrongName.close();
    }
  });

  test('an authenticated user without permission is refused in the words of Kubernetes', async () => {
    const ann = await grpc.clientOf({ user: 'ann', groups: ['dev'] });
    await expect(ann.list('Pod', { namespace: 'default' })).rejects.toMatchObject({
      reason: 'Forbidden',
      message: 'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "default"',
    });
    await expect(collect(ann.watch(['Secret'], signal))).rejects.toMatchObject({ reason: 'Forbidden' });
    await expect(collect(ann.watchKind('Secret', {}, signal))).rejects.toMatchObject({ reason: 'Forbidden' });
  });
});

test('a user who may impersonate a node has its permissions, but gets neither its session nor its certificate', async () => {
  await grpc.remote.create('Node', { metadata: { name: 'acted' }, spec: {} });
  const metadata = { 'impersonate-user': ['system:node:acted'], 'impersonate-group': ['system:nodes'] };
  const channel = createRpcChannel(
    { address: grpc.address, tls: await grpc.tls(administrator), metadata },
    { ...deps, schema: grpc.schema },
  );
  const refusal = {
    reason: 'Forbidden',
    message: 'User "kubernetes-admin" is not "system:node:acted": only the node itself may do this',
  };
  try {
    const { request } = await createSigningRequest({ user: 'system:node:acted', groups: ['system:nodes'] });
    const { Renew } = grpc.schema.enrollment;
    await expect(channel.unary(Renew, { node_name: 'acted', csr: request })).rejects.toMatchObject(refusal);
    const session = grpcSessionTransport(channel).connect(signal);
    await expect(collect(session.incoming)).rejects.toMatchObject(refusal);
  } finally {
    channel.close();
  }
});

test('a node reaches its own pods and what they name, and nothing else', async () => {
  const node = await grpc.clientOf({ user: 'system:node:n1', groups: ['system:nodes'] });
  const make = (name: string, nodeName: string, secret: string): Draft<Pod> => ({
    metadata: { name, namespace: 'default' },
    spec: {
      nodeName,
      containers: [{ name: 'c', image: 'i', envFrom: [{ secretRef: { name: secret } }] }],
    },
  });
  for (const name of ['s1', 's2']) {
    await grpc.remote.create('Secret', { metadata: { name, namespace: 'default' }, stringData: { a: name } });
  }
  await grpc.remote.create('Pod', make('on-n1', 'n1', 's1'));
  await grpc.remote.create('Pod', make('on-n2', 'n2', 's2'));
  await eventually(() => node.get('Pod', 'on-n1', 'default'));
  await expect(node.get('Secret', 's1', 'default')).resolves.toBeDefined();
  for (const refused of [
    node.get('Pod', 'on-n2', 'default'),
    node.get('Secret', 's2', 'default'),
    node.list('Secret', { namespace: 'default' }),
    node.delete('Pod', 'on-n2', { namespace: 'default' }),
    node.create('Pod', make('mine', 'n1', 's2')),
    node.get('Node', 'n2'),
    node.list('JoinToken'),
  ]) {
    await expect(refused).rejects.toMatchObject({ reason: 'Forbidden' });
  }
});

describe('joining', () => {
  test('a machine with a token and the hash of the CA becomes a node, and keeps its certificate privately', async () => {
    const token = await createToken({ ...deps, client: grpc.remote }, { ttlMs: 60_000 });
    const options = { address: grpc.address, nodeName: 'fresh', token, caHash: grpc.authority.hash };
    const home = join(dir, 'fresh');
    const credentials = await loadOrJoin(home, options, deps, signal);
    expect(new X509Certificate(credentials.node.certificate).subject).toContain('CN=system:node:fresh');
    expect((await stat(join(home, 'node.key'))).mode & 0o777).toBe(0o600);
    const client = createGrpcClient(
      { address: grpc.address, tls: { ca: credentials.ca, credentials: credentials.node } },
      deps,
    );
    try {
      await expect(client.get('Node', 'other')).rejects.toThrow('User "system:node:fresh"');
    } finally {
      client.close();
    }
    // From now on neither token nor hash is needed.
    const again = await loadOrJoin(home, { address: grpc.address, nodeName: 'fresh' }, deps, signal);
    expect(again).toEqual(credentials);
  });

  test('a server of another CA is never given the token', async () => {
    const token = 'abcdef.0123456789abcdef';
    const caHash = `sha256:${'0'.repeat(64)}`;
    await expect(
      joinCluster({ address: grpc.address, nodeName: 'x', token, caHash }, deps, signal),
    ).rejects.toMatchObject({
      reason: 'Unauthorized',
      message: expect.stringContaining('does not belong to the cluster'),
    });
  });

  test('a server is known by its name besides its address: another certificate of the CA does not do', async () => {
    const address = '127.0.0.1';
    const kubelet = await grpc.authority.issueServer({ commonName: 'system:node:n1', names: [address] });
    const server = createServer({ cert: kubelet.certificate + grpc.authority.certificate, key: kubelet.key });
    await once(server.listen(0, address), 'listening');
    const { port } = server.address() as AddressInfo;
    const options = { address: `${address}:${port}`, nodeName: 'x', token: 'abcdef.0123456789abcdef' };
    const stop = new AbortController();
    const said: unknown[] = [];
    const log = { ...silentLog, warn: (_fields: unknown, message: unknown) => said.push(message) };
    try {
      const caHash = grpc.authority.hash;
      const joining = joinCluster({ ...options, caHash }, { ...deps, log } as never, stop.signal).catch(
        () => undefined,
      );
      await eventually(() => said.length > 0, { timeoutMs: 15_000, what: 'no attempt has failed' });
      stop.abort();
      await joining;
      expect(said[0]).toContain('the certificate is that of system:node:n1, not of coracle');
    } finally {
      server.close();
    }
  });

  test('a wrong token is refused at once', async () => {
    const options = {
      address: grpc.address,
      nodeName: 'x',
      token: 'abcdef.0123456789abcdef',
      caHash: grpc.authority.hash,
    };
    await expect(joinCluster(options, deps, signal)).rejects.toMatchObject({ reason: 'Unauthorized' });
  });

  test('without credentials, token or hash there is one clear error', async () => {
    await expect(loadOrJoin(join(dir, 'none'), { address: grpc.address, nodeName: 'x' }, deps, signal)).rejects.toThrow(
      'a join token and the CA hash are needed',
    );
  });

  test('a node renews its certificate by itself after two thirds of its life, and only its own', async () => {
    const subject = { user: 'system:node:renewer', groups: ['system:nodes'] };
    const day = 24 * 60 * 60 * 1000;
    const first: NodeCredentials = {
      ca: grpc.authority.certificate,
      node: await grpc.authority.issueClient(subject, 30 * day),
    };
    const home = join(dir, 'renewer');
    await grpc.remote.create('Node', { metadata: { name: 'renewer' }, spec: {} });
    const clock = new VirtualClock(systemClock.now());
    const stop = new AbortController();
    const renewed: NodeCredentials[] = [];
    // Calls still run on real time: only the waiting is virtual.
    const mixed = { ...clockOf(clock), monotonic: () => systemClock.monotonic() };
    const running = keepRenewed(
      {
        address: grpc.address,
        nodeName: 'renewer',
        dir: home,
        credentials: first,
        onRenewed: (credentials) => renewed.push(credentials),
      },
      { ...deps, clock: mixed },
      stop.signal,
    );
    await clock.advance(19 * day);
    expect(renewed).toHaveLength(0);
    await clock.advance(2 * day);
    await eventually(() => renewed.length === 1);
    expect(await readFile(join(home, 'node.crt'), 'utf8')).toBe(renewed[0]?.node.certificate);
    stop.abort();
    await running;

    const client = await grpc.clientOf(subject);
    const { request } = await createSigningRequest({ user: 'system:node:victim', groups: ['system:nodes'] });
    const { Renew } = grpc.schema.enrollment;
    await expect(client.channel.unary(Renew, { node_name: 'victim', csr: request })).rejects.toMatchObject({
      reason: 'Forbidden',
    });
  });
});

test('new server certificates serve new connections', async () => {
  const own = await startTestGrpc();
  const before = await own.clientOf({ user: 'ann', groups: ['system:masters'] });
  await before.list('Node');
  const other = await loadAuthority(await createAuthority('next-ca', deps), deps);
  const server = await other.issueServer({ commonName: 'coracle', names: ['127.0.0.1'] });
  own.server.replaceTls({ ca: other.certificate, server });
  const credentials = await other.issueClient({ user: 'ann', groups: ['system:masters'] });
  const after = createGrpcClient({ address: own.address, tls: { ca: other.certificate, credentials } }, deps);
  await expect(after.list('Node')).resolves.toBeDefined();
  await expect(before.list('Node')).resolves.toBeDefined();
  after.close();
  await own.stop();
});

async function collect(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const seen = [];
  for await (const item of stream) seen.push(item);
  return seen;
}

function clockOf(clock: VirtualClock) {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    timer: (ms: number, fire: () => void) => clock.timer(ms, fire),
    sleep: (ms: number, until?: AbortSignal) => clock.sleep(ms, until),
  };
}
