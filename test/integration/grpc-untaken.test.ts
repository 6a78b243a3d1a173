import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FairGate } from '../../control-plane/api/chain/fairness/gate.ts';
import { systemClock } from '../../shared/clock.ts';
import { eventually } from '../support/eventually.ts';
import { administrator, startTestGrpc, type TestGrpc } from '../support/grpc-server.ts';

describe('answers over gRPC that the client does not read', () => {
  let grpc: TestGrpc;
  let session: ClientHttp2Session;
  beforeAll(async () => {
    grpc = await startTestGrpc({ gate: new FairGate({ clock: systemClock }), takenWithinMs: 1_500 });
    const data = { text: 'x'.repeat(1_000_000) };
    for (const name of ['a', 'b']) {
      await grpc.client.create('ConfigMap', { metadata: { name, namespace: 'default' }, data });
    }
    const { ca, credentials } = await grpc.tls(administrator);
    session = connect(`https://${grpc.address}`, {
      ca,
      cert: credentials?.certificate,
      key: credentials?.key,
      servername: 'localhost',
      // Nothing of any answer is taken.
      settings: { initialWindowSize: 0 },
    });
  });
  afterAll(async () => {
    session?.destroy();
    await grpc?.stop();
  });

  /** A call of `coracle.v1.ConfigMaps/List` with an empty request. */
  function list(): ClientHttp2Stream {
    const headers = { ':method': 'POST', ':path': '/coracle.v1.ConfigMaps/List', te: 'trailers' };
    const stream = session.request({ ...headers, 'content-type': 'application/grpc' });
    stream.on('error', () => undefined);
    stream.end(Buffer.alloc(5));
    return stream;
  }

  it('hold the seats of their own client only, and are cancelled in the end', async () => {
    const streams = Array.from({ length: 60 }, list);
    let answered = 0;
    let closed = 0;
    for (const stream of streams) {
      stream.on('response', () => answered++);
      stream.on('close', () => closed++);
    }
    await eventually(() => answered >= 24);
    const other = await grpc.clientOf({ user: 'jane', groups: ['system:masters'] });
    expect((await other.list('ConfigMap', { namespace: 'default' })).items).toHaveLength(2);
    expect(closed).toBe(0);
    expect(answered).toBe(24);
    await eventually(() => closed === streams.length, { timeoutMs: 20_000 });
    expect((await grpc.remote.list('ConfigMap', { namespace: 'default' })).items).toHaveLength(2);
  });
});
