import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../shared/clock.ts';
import { createAuthority, loadAuthority } from '../../../../shared/pki/certificates.ts';
import { systemRandom } from '../../../../shared/random.ts';
import { eventually } from '../../../../test/support/eventually.ts';
import { acceptWebSocket, type Messages } from './websocket.ts';

const opcodes = { binary: 2, close: 8, ping: 9, pong: 10 } as const;

describe('a WebSocket over TLS', () => {
  let server: Server;
  let ca: string;
  let accepted: (messages: Messages) => void = () => undefined;

  beforeAll(async () => {
    const pki = { clock: systemClock, random: systemRandom };
    const authority = await loadAuthority(await createAuthority('a CA', pki), pki);
    ca = authority.certificate;
    const { certificate, key } = await authority.issueServer({ commonName: 'test', names: ['127.0.0.1'] });
    server = createServer({ cert: certificate, key });
    server.on('upgrade', (request, socket, head) =>
      accepted(acceptWebSocket({ clock: systemClock }, { request, socket, head }, '')),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('sends each frame in TLS records of its own: data, answers to pings, the close', async () => {
    const { messages, client, records } = await open();
    // Masked with zeros: a ping of a client.
    client.write(Uint8Array.of(0x80 | opcodes.ping, 0x80, 0, 0, 0, 0));
    for (let i = 0; i < 50; i += 1) void messages.send(Uint8Array.of(1, i));
    client.write(Uint8Array.of(0x80 | opcodes.ping, 0x81, 0, 0, 0, 0, 0x21));
    await eventually(() => records.some(([first]) => first === (0x80 | opcodes.pong)));
    for (let i = 0; i < 50; i += 1) void messages.send(Uint8Array.of(2, i));
    messages.close();
    await eventually(() => records.at(-1)?.[0] === (0x80 | opcodes.close));

    expect(records.map((record) => frameLength(record))).toEqual(records.map((record) => record.length));
    expect(records.filter(([first]) => first === (0x80 | opcodes.binary))).toHaveLength(100);
    client.destroy();
  });

  it('lets a sender wait while many bytes are unsent, and rejects queued frames when the connection closes', async () => {
    const { messages, client } = await open();
    client.pause();
    const outcomes: Promise<string>[] = [];
    const chunk = new Uint8Array(1024 * 1024);
    for (let i = 0; i < 32; i += 1) {
      outcomes.push(
        messages.send(chunk).then(
          () => 'sent',
          () => 'failed',
        ),
      );
    }
    await outcomes[0];
    client.destroy();
    expect(new Set(await Promise.all(outcomes))).toContain('failed');
    await expect(messages.send(chunk)).rejects.toThrow('the connection was closed');
  });

  /** A client that sees what arrives record by record: `data` of a TLS socket is never more than one. */
  async function open(): Promise<{ messages: Messages; client: TLSSocket; records: Buffer[] }> {
    const served = new Promise<Messages>((resolve) => {
      accepted = resolve;
    });
    const { port } = server.address() as AddressInfo;
    const client = connect({ port, host: '127.0.0.1', ca });
    await once(client, 'secureConnect');
    client.write(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    const messages = await served;
    const records: Buffer[] = [];
    let answered = false;
    client.on('data', (record: Buffer) => {
      if (answered) records.push(record);
      else if (record.includes('\r\n\r\n')) answered = true;
    });
    await eventually(() => answered);
    return { messages, client, records };
  }
});

/** Bytes of the frame at the start: these are short, and not masked. */
function frameLength(record: Buffer): number {
  return 2 + ((record[1] ?? 0) & 0x7f);
}
