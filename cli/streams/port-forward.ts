import { createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../../shared/errors.ts';
import type { Cluster } from '../cluster.ts';
import { UsageError } from '../io.ts';
import { podOf } from './pods.ts';

const nothing = new Uint8Array();

interface Forward {
  /** 0: any free port. */
  readonly local: number;
  readonly remote: number;
}

/** Listens until the user interrupts, and forwards every connection to the pod. */
export async function portForward(
  cluster: Cluster,
  args: { pod: string; ports: readonly string[]; address: string },
): Promise<void> {
  const { io } = cluster;
  const forwards = args.ports.map(parsePorts);
  const pod = await podOf(cluster, args.pod);
  const { name } = pod.metadata;
  if (pod.status?.phase !== 'Running') {
    throw new UsageError(`unable to forward port because pod is not running. Current status=${pod.status?.phase}`);
  }
  const addresses = args.address === 'localhost' ? ['127.0.0.1', '::1'] : args.address.split(',');
  const servers: Server[] = [];
  try {
    for (const { local, remote } of forwards) {
      const opened: Server[] = [];
      for (const host of addresses) {
        const server = createServer({ allowHalfOpen: true }, (socket) => void carry(cluster, name, remote, socket));
        try {
          const port = await listen(server, host, opened.length > 0 ? portOf(opened[0]) : local);
          opened.push(server);
          io.out(`Forwarding from ${host.includes(':') ? `[${host}]` : host}:${port} -> ${remote}\n`);
        } catch (error) {
          // Without IPv6, one of the two addresses of localhost is enough.
          if (opened.length === 0 && host === addresses.at(-1)) throw new UsageError(messageOf(error));
        }
      }
      servers.push(...opened);
    }
    await new Promise<void>((resolve) => {
      if (io.signal.aborted) resolve();
      io.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  } finally {
    for (const server of servers) server.close();
  }
}

/** `8080`, `8080:80`, `:80` */
export function parsePorts(text: string): Forward {
  const match = /^(?:(\d*):)?(\d+)$/.exec(text);
  const remote = Number(match?.[2]);
  const local = match?.[1] === undefined ? remote : Number(match[1] || 0);
  if (!match || remote < 1 || remote > 65_535 || local > 65_535) {
    throw new UsageError(`"${text}" is not LOCAL:REMOTE, PORT or :REMOTE`);
  }
  return { local, remote };
}

async function carry({ client, namespace, io }: Cluster, name: string, port: number, socket: Socket): Promise<void> {
  io.out(`Handling connection for ${socket.localPort}\n`);
  const own = new AbortController();
  const stop = (): void => own.abort();
  io.signal.addEventListener('abort', stop, { once: true });
  socket.on('error', stop);
  socket.on('close', stop);
  const stream = client.connect({ namespace, name }, { type: 'portforward', port }, own.signal);
  const up = (async () => {
    for await (const data of socket.iterator({ destroyOnReturn: false })) {
      await stream.send({ channel: 0, data: data as Uint8Array, end: false });
    }
    await stream.send({ channel: 0, data: nothing, end: true });
  })();
  // Errors of the stream are reported where it is read.
  up.catch(() => undefined);
  try {
    for await (const { channel, data, end } of stream.incoming) {
      if (channel !== 1) continue;
      if (data.length > 0 && !socket.write(data)) await drained(socket);
      if (end) socket.end();
    }
  } catch (error) {
    if (!own.signal.aborted) io.err(`error: ${messageOf(error)}\n`);
  } finally {
    io.signal.removeEventListener('abort', stop);
    stream.close();
    if (socket.writableEnded) socket.destroySoon();
    else socket.destroy();
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('drain', resolve);
    socket.once('close', () => resolve());
  });
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(portOf(server)));
  });
}

function portOf(server: Server | undefined): number {
  const address = server?.address();
  return typeof address === 'object' && address ? address.port : 0;
}
