import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHeartbeatPort } from '../../control-plane/heartbeat-port.ts';
import { LivenessCore } from '../../control-plane/liveness/core.ts';
import type { HeartbeatListener } from '../../control-plane/liveness/heartbeat-listener.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import { systemClock as clock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { type Authority, type ClientSubject, createAuthority, loadAuthority } from '../../shared/pki/certificates.ts';
import { systemRandom as random } from '../../shared/random.ts';
import { createRpcChannel } from '../../shared/rpc/channel.ts';
import { dialHeartbeats } from '../../shared/rpc/heartbeats.ts';
import { createRpcSchema } from '../../shared/rpc/schema.ts';

const schema = createRpcSchema();
const node = (name: string): ClientSubject => ({ user: `system:node:${name}`, groups: ['system:nodes'] });

let authority: Authority;
let core: LivenessCore;
let listener: HeartbeatListener;
let port: number;

beforeAll(async () => {
  authority = await newAuthority();
  core = new LivenessCore({ store: new MemoryStore({ clock }), clock, random, log: silentLog, server: 's' });
  listener = createHeartbeatPort({ heartbeats: core, tls: await tlsOf('127.0.0.1'), clock, log: silentLog });
  port = await listener.listen('127.0.0.1:0');
  await core.open({ id: 'session-of-a', node: 'a', leaseMs: 60_000 }, () => undefined);
});
afterAll(async () => {
  await core.stop();
  listener.close();
});

async function newAuthority(): Promise<Authority> {
  const pki = { clock, random };
  return loadAuthority(await createAuthority('test-ca', pki), pki);
}

async function tlsOf(name: string) {
  return {
    ca: authority.certificate,
    server: await authority.issueServer({ commonName: 'coracle', names: [name] }),
  };
}

/** The sequences that are acknowledged of two heartbeats, `pauseMs` apart; or how it failed. */
async function beat(
  subject: ClientSubject | undefined,
  { sessionId = 'session-of-a', from = authority, lifetimeMs = 60_000, pauseMs = 0 } = {},
): Promise<unknown> {
  const credentials = subject ? { credentials: await from.issueClient(subject, lifetimeMs) } : {};
  const tls = { ca: authority.certificate, ...credentials };
  const session = createRpcChannel({ address: `127.0.0.1:${port}`, tls }, { clock, schema });
  const stop = new AbortController();
  const acknowledged: number[] = [];
  try {
    const line = dialHeartbeats(session, `127.0.0.1:${port}`, { port }, stop.signal);
    await line.send({ sequence: 1, sessionId });
    for await (const { sequence } of line.incoming) {
      acknowledged.push(sequence);
      if (sequence === 2) return acknowledged;
      await clock.sleep(pauseMs);
      await line.send({ sequence: 2 });
    }
    return acknowledged;
  } catch (error) {
    return { acknowledged, reason: (error as { reason?: string }).reason };
  } finally {
    stop.abort();
    session.close();
  }
}

describe('the port of the heartbeats', () => {
  it('acknowledges those of the node whose session is named', async () => {
    expect(await beat(node('a'))).toEqual([1, 2]);
  });

  it('knows no session of another node, and none that is not there', async () => {
    expect(await beat(node('b'))).toEqual({ acknowledged: [], reason: 'NotFound' });
    expect(await beat(node('a'), { sessionId: 'guessed' })).toEqual({ acknowledged: [], reason: 'NotFound' });
    expect(await beat(node('a'), { sessionId: '' })).toEqual({ acknowledged: [], reason: 'NotFound' });
  });

  it('takes nodes only: both the user and the group must say so', async () => {
    for (const { user, groups } of [
      { user: 'kubernetes-admin', groups: ['system:masters'] },
      { user: 'system:node:a', groups: ['system:masters'] },
      { user: 'a', groups: ['system:nodes'] },
    ]) {
      expect(await beat({ user, groups })).toEqual({ acknowledged: [], reason: 'Forbidden' });
    }
  });

  it('takes no connection without a certificate, with one of another CA, or of an older TLS', async () => {
    expect(await beat(undefined)).toMatchObject({ reason: 'ServiceUnavailable' });
    expect(await beat(node('a'), { from: await newAuthority() })).toMatchObject({ reason: 'ServiceUnavailable' });
    const { certificate: cert, key } = await authority.issueClient(node('a'));
    const older = connect({ host: '127.0.0.1', port, ca: authority.certificate, cert, key, maxVersion: 'TLSv1.2' });
    const error = await new Promise<Error>((resolve) => older.once('error', resolve));
    expect(error.message).toMatch(/protocol version/i);
  });

  it('acknowledges nothing after the end of the certificate, also on a connection that it opened while it was good', async () => {
    const outcome = await beat(node('a'), { lifetimeMs: 2_500, pauseMs: 3_500 });
    expect(outcome).toEqual({ acknowledged: [1], reason: 'Unauthorized' });
  });

  it('shows a new certificate to new connections', async () => {
    listener.replaceTls(await tlsOf('elsewhere.example'));
    expect(await beat(node('a'))).toMatchObject({ reason: 'ServiceUnavailable' });
    listener.replaceTls(await tlsOf('127.0.0.1'));
    expect(await beat(node('a'))).toEqual([1, 2]);
  });
});
