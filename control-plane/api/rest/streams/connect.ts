import { setMaxListeners } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../../../shared/clock.ts';
import { ApiError } from '../../../../shared/errors.ts';
import type { Api, PodStream, RequestContext, Target } from '../../api.ts';
import { badRequest, notAllowed } from '../../requests/refusals.ts';
import { execOverSpdy, execVersions } from './exec-spdy.ts';
import { execOverWebSocket, execProtocols, greeting, newestExec } from './exec-websocket.ts';
import { type Forwarding, forwardOverSpdy, forwardProtocol } from './forward-spdy.ts';
import { forwardOverWebSocket, forwardProtocols } from './forward-websocket.ts';
import { closingMs, keepAliveMs } from './limits.ts';
import { execQuery, forwardPorts, type Way, wayOf, words } from './options.ts';
import { relay } from './relay.ts';
import { socketWire } from './socket-wire.ts';
import { acceptWebSocket } from './websocket.ts';

/** The connection of a request for an upgrade. */
export interface Upgrade {
  readonly socket: Socket;
  /** The bytes that came with the request. */
  readonly head: Buffer;
  /** Called with the error that ended the connection after the upgrade. */
  readonly failed: (error: unknown) => void;
}

export interface StreamCall {
  readonly api: Api;
  readonly clock: Clock;
  readonly context: RequestContext;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** Absent when the request is plain HTTP. */
  readonly upgrade?: Upgrade | undefined;
}

/** The prefix of WebSocket subprotocols whose messages carry SPDY. */
const tunnelPrefix = 'SPDY/3.1+';

/**
 * Serves exec, attach or port-forward until it ends. A failure before the upgrade is thrown and answered as that of any request; after
 * it nothing is thrown.
 */
export async function serveStream(call: StreamCall, target: Target): Promise<void> {
  const { api, context, request, upgrade } = call;
  const verb = verbOf(request);
  const way = upgrade && wayOf(request.headers);
  if (!upgrade || !way) {
    await api.checkConnect(context, target, verb);
    throw badRequest('Upgrade request required');
  }
  const serve = target.subresource === 'portforward' ? serveForward : serveExec;
  await serve({ ...call, upgrade, target, verb, way });
}

interface UpgradeCall extends StreamCall {
  readonly upgrade: Upgrade;
  readonly target: Target;
  readonly verb: 'get' | 'create';
  readonly way: Way;
}

async function serveExec(call: UpgradeCall): Promise<void> {
  const { api, context, target, verb, query, clock } = call;
  const wanted = execQuery(target.subresource === 'attach' ? 'attach' : 'exec', query);
  const webSocket = call.way === 'websocket' ? negotiated(execProtocols, subprotocols(call.request)) : undefined;
  const spdy = call.way === 'spdy' ? negotiated(execVersions, versions(call.request)) : undefined;
  const pod = await api.connect(context, target, wanted, verb);
  try {
    if (webSocket) {
      const messages = acceptWebSocket(call, { ...call.upgrade, request: call.request }, webSocket.name);
      await upgraded(call, async () => {
        await messages.send(greeting(webSocket.as, wanted));
        await relay(execOverWebSocket(messages, webSocket.as, wanted), pod, context.signal);
      });
    } else if (spdy) {
      acceptSpdy(call, spdy.name);
      await upgraded(call, async () => {
        const client = await execOverSpdy({ clock }, socketWire(call, call.upgrade), spdy.as, wanted);
        await relay(client, pod, context.signal);
      });
    }
  } finally {
    pod.close();
  }
}

async function serveForward(call: UpgradeCall): Promise<void> {
  const { api, context, target, verb, clock, upgrade, request } = call;
  const { signal } = context;
  // Each forwarded connection adds a listener.
  setMaxListeners(0, signal);
  const openPort = (port: number): Promise<PodStream> =>
    api.connect(context, target, { type: 'portforward', port }, verb);
  // The kubelet leaves the uid out as well.
  const failure = (port: number, why: string): string =>
    `error forwarding port ${port} to pod ${target.name}, uid : ${why}`;
  const forwarding: Forwarding = { clock, openPort, failure, signal };
  const offered = call.way === 'websocket' ? subprotocols(request) : versions(request);
  const tunnelled = offered
    .filter((name) => name.startsWith(tunnelPrefix))
    .map((name) => name.slice(tunnelPrefix.length));
  if (call.way === 'spdy') {
    const { name } = negotiated(forwardVersions, offered);
    await api.checkConnect(context, target, verb);
    acceptSpdy(call, name);
    await upgraded(call, () => forwardOverSpdy(forwarding, socketWire(call, upgrade)));
  } else if (tunnelled.length > 0) {
    const { name } = negotiated(forwardVersions, tunnelled);
    await api.checkConnect(context, target, verb);
    const messages = acceptWebSocket(call, { ...upgrade, request }, tunnelPrefix + name);
    await upgraded(call, () => forwardOverSpdy(forwarding, messages));
  } else {
    const ports = forwardPorts(call.query);
    const { name, as: base64 } = negotiated(forwardProtocols, offered);
    await api.checkConnect(context, target, verb);
    const messages = acceptWebSocket(call, { ...upgrade, request }, name);
    await upgraded(call, () => forwardOverWebSocket(forwarding, messages, base64, ports));
  }
}

const forwardVersions: ReadonlyMap<string, true> = new Map([[forwardProtocol, true]]);

function verbOf({ method }: IncomingMessage): 'get' | 'create' {
  if (method === 'GET') return 'get';
  if (method === 'POST') return 'create';
  throw notAllowed();
}

/** The subprotocols that the client offers; the empty name if it offers none. */
function subprotocols({ headers }: IncomingMessage): string[] {
  const offered = words(headers['sec-websocket-protocol']);
  // The newest is preferred, wherever the client lists it.
  if (offered.includes(newestExec)) return [newestExec, ...offered];
  return offered.length > 0 ? offered : [''];
}

/** The versions that the client offers; clients of Kubernetes 1.0 offer none and use the first. */
function versions({ headers }: IncomingMessage): string[] {
  const offered = words(headers['x-stream-protocol-version']);
  return offered.length > 0 ? offered : ['channel.k8s.io'];
}

/** The first offered name that is supported. Throws Forbidden when there is none. */
export function negotiated<T>(supported: ReadonlyMap<string, T>, offered: readonly string[]): { name: string; as: T } {
  for (const name of offered) {
    const as = supported.get(name);
    if (as !== undefined) return { name, as };
  }
  const server = [...supported.keys()].filter((name) => name !== '');
  throw new ApiError(
    'Forbidden',
    `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${server.join(' ')}]`,
  );
}

function acceptSpdy({ upgrade }: UpgradeCall, version: string): void {
  upgrade.socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'Connection: Upgrade',
      'Upgrade: SPDY/3.1',
      `X-Stream-Protocol-Version: ${version}`,
    ]
      .map((line) => `${line}\r\n`)
      .join('')
      .concat('\r\n'),
  );
}

/** Runs the protocol after the upgrade until its end, and closes the connection. */
export async function upgraded(
  call: StreamCall & { readonly upgrade: Upgrade },
  run: () => Promise<void>,
): Promise<void> {
  const { response, upgrade, context, clock } = call;
  const { socket } = upgrade;
  response.detachSocket(socket);
  response.statusCode = 101;
  socket.setTimeout(0);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveMs);
  let late: { cancel(): void } | undefined;
  const end = (): void => {
    late = clock.timer(closingMs, () => socket.destroy());
  };
  if (context.signal.aborted) end();
  else context.signal.addEventListener('abort', end, { once: true });
  try {
    await run();
  } catch (error) {
    upgrade.failed(error);
  } finally {
    late?.cancel();
    context.signal.removeEventListener('abort', end);
    socket.destroy();
  }
}
