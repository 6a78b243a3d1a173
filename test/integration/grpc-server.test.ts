import { afterEach, expect, test } from 'vitest';
import type { Api, WriteResult } from '../../control-plane/api/api.ts';
import { Authenticator } from '../../control-plane/api/auth/authenticator.ts';
import { Chain } from '../../control-plane/api/chain/chain.ts';
import { createGrpcServer, type GrpcServer } from '../../control-plane/api/grpc/server.ts';
import { type Clock, systemClock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import type { KubeObject } from '../../shared/object.ts';
import { createAuthority, loadAuthority } from '../../shared/pki/certificates.ts';
import { systemRandom } from '../../shared/random.ts';
import { createGrpcClient, type GrpcClient } from '../../shared/rpc/client.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { eventually } from '../support/eventually.ts';

const deps = { clock: systemClock, random: systemRandom };
const closing: Array<() => Promise<void> | void> = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A server over an Api of which a test gives what it needs. */
async function serve(
  api: Partial<Api>,
  clock: Clock = systemClock,
): Promise<{ server: GrpcServer; client: GrpcClient; observed: Array<[string, number]> }> {
  const authority = await loadAuthority(await createAuthority('test-ca', deps), deps);
  const observed: Array<[string, number]> = [];
  const authenticator = new Authenticator({ clock, authorizer: { authorize: () => ({ allowed: true }) } });
  const server = createGrpcServer({
    api: api as Api,
    chain: new Chain({ clock, log: silentLog, authenticator }),
    enrollment: {
      holderOf: () => Promise.reject(new Error('none')),
      enroll: () => Promise.reject(new Error('none')),
      renew: () => Promise.reject(new Error('none')),
    },
    sessions: { serve: async () => undefined, tunnel: async () => undefined },
    tls: { ca: authority.certificate, server: await authority.issueServer({ commonName: 'c', names: ['127.0.0.1'] }) },
    clock,
    log: silentLog,
    observe: (path, code) => observed.push([path, code]),
  });
  const address = `127.0.0.1:${await server.listen('127.0.0.1:0')}`;
  const client = createGrpcClient({ address, tls: { ca: authority.certificate } }, deps);
  closing.push(
    () => client.close(),
    () => server.close(0),
  );
  return { server, client, observed };
}

const object: KubeObject = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name: 'a',
    namespace: 'default',
    uid: 'u',
    resourceVersion: '1',
    creationTimestamp: '2026-01-01T00:00:00Z',
  },
};
const draft = { metadata: { name: 'a', namespace: 'default' } };

test('a request that hangs is aborted after a minute, and its handler gets the signal', async () => {
  const clock = new VirtualClock(systemClock.now());
  let signal: AbortSignal | undefined;
  const { client, observed } = await serve(
    {
      create: (context) => {
        signal = context.signal;
        return new Promise(() => undefined);
      },
    },
    clock,
  );
  const { Create } = client.channel.schema.kinds.find(({ entry }) => entry.kind === 'ConfigMap')?.methods ?? {};
  if (!Create) throw new Error('no ConfigMaps');
  const asked = client.channel.unary(Create, { object }, { timeoutMs: 600_000 });
  const refused = expect(asked).rejects.toMatchObject({ reason: 'Timeout' });
  await eventually(() => signal !== undefined);
  await clock.advance(59_000);
  expect(signal?.aborted).toBe(false);
  await clock.advance(2_000);
  await refused;
  expect(signal?.aborted).toBe(true);
  expect(observed).toEqual([['/coracle.v1.ConfigMaps/Create', 4]]);
});

test('a client that gives up is noticed at once', async () => {
  let signal: AbortSignal | undefined;
  const { client } = await serve({
    create: (context) => {
      signal = context.signal;
      return new Promise(() => undefined);
    },
  });
  const { Create } = client.channel.schema.kinds.find(({ entry }) => entry.kind === 'ConfigMap')?.methods ?? {};
  if (!Create) throw new Error('no ConfigMaps');
  const stop = new AbortController();
  const asked = client.channel.unary(Create, { object }, { signal: stop.signal });
  const refused = expect(asked).rejects.toThrow('enough');
  await eventually(() => signal !== undefined);
  stop.abort(new Error('enough'));
  await refused;
  await eventually(() => signal?.aborted === true);
});

test('a server that closes lets running requests end', async () => {
  let finish: (result: WriteResult) => void = () => undefined;
  let running = false;
  const { server, client } = await serve({
    create: () => {
      running = true;
      return new Promise((resolve) => {
        finish = resolve;
      });
    },
  });
  const asked = client.create('ConfigMap', draft);
  await eventually(() => running);
  const closed = server.close(10_000);
  finish({ object, outcome: 'created' });
  await expect(asked).resolves.toMatchObject({ metadata: { uid: 'u' } });
  await closed;
});

test('reads are tried again while the server is not ready; writes are not, unless they were turned away', async () => {
  const { ApiError } = await import('../../shared/errors.ts');
  let gets = 0;
  let creates = 0;
  let updates = 0;
  const { client } = await serve({
    get: async () => {
      if (++gets < 3) throw new ApiError('ServiceUnavailable', 'not yet');
      return object;
    },
    create: async () => {
      creates++;
      throw new ApiError('ServiceUnavailable', 'perhaps done');
    },
    update: async () => {
      if (++updates < 2) throw new ApiError('TooManyRequests', 'later');
      return { object, outcome: 'updated' };
    },
  });
  await expect(client.get('ConfigMap', 'a', 'default')).resolves.toBeDefined();
  await expect(client.create('ConfigMap', draft)).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
  await expect(client.update('ConfigMap', object as never)).resolves.toBeDefined();
  expect([gets, creates, updates]).toEqual([3, 1, 2]);
});

test('an internal error shows the client no details; warnings reach the client', async () => {
  const warnings: string[] = [];
  const { client } = await serve({
    get: async () => {
      throw new Error('secret detail');
    },
    create: async (context) => {
      context.warnings.push('unknown field "ünknown"');
      return { object, outcome: 'created' };
    },
  });
  await expect(client.get('ConfigMap', 'a', 'default')).rejects.toMatchObject({
    reason: 'InternalError',
    message: 'an internal error occurred',
  });
  const { Create } = client.channel.schema.kinds.find(({ entry }) => entry.kind === 'ConfigMap')?.methods ?? {};
  if (!Create) throw new Error('no ConfigMaps');
  await client.channel.unary(Create, { object }, { onWarning: (warning) => warnings.push(warning) });
  await eventually(() => warnings.length === 1);
  expect(warnings).toEqual(['unknown field "ünknown"']);
});
