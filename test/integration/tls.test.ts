import { once } from 'node:events';
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestGrpc, type TestGrpc } from '../support/grpc-server.ts';
import { startTestRest, type TestRest } from './rest-server.ts';

let rest: TestRest;
let grpc: TestGrpc;
beforeAll(async () => {
  [rest, grpc] = await Promise.all([startTestRest(), startTestGrpc()]);
});
afterAll(() => Promise.all([rest?.stop(), grpc?.stop()]));

/** The version that a handshake came to. Rejects when it was refused. */
async function protocolOf(port: number, options: ConnectionOptions): Promise<string | null> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ...options });
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(10_000) });
    return socket.getProtocol();
  } finally {
    socket.destroy();
  }
}

/** TLS 1.2 has renegotiation, by which a client shows a second certificate after the first one was verified. */
describe('TLS older than 1.3', () => {
  test('is refused by the REST port, with a good certificate as without', async () => {
    const { certificate: cert, key } = await rest.authority.issueClient({ user: 'ann', groups: [] });
    const ca = rest.authority.certificate;
    for (const options of [{ ca }, { ca, cert, key }]) {
      await expect(protocolOf(rest.port, { ...options, maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/);
      expect(await protocolOf(rest.port, options)).toBe('TLSv1.3');
    }
  });

  test('is refused by the gRPC port', async () => {
    const port = Number(grpc.address.split(':').at(-1));
    const options = { ca: grpc.authority.certificate, ALPNProtocols: ['h2'] };
    await expect(protocolOf(port, { ...options, maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/);
    expect(await protocolOf(port, options)).toBe('TLSv1.3');
  });
});
