import { type ChildProcess, spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { bracketed } from '../../shared/address.ts';
import type { Clock, Timer } from '../../shared/clock.ts';
import { NetworkError } from './error.ts';

/** Milliseconds. */
const dialMs = 30_000;
/** How long a helper waits for the next connection to its namespace. */
const idleMs = 10_000;
const loopback = ['127.0.0.1', '::1'] as const;

/**
 * The helper's program. It needs nothing but Node: no file of the agent, no tool of the machine. It connects and passes the socket on;
 * no byte goes through it.
 */
const helperProgram = `
const { connect } = require('node:net');
process.on('message', ({ id, host, port }) => {
  const socket = connect({ host, port, allowHalfOpen: true });
  const fail = (error) => process.send({ id, code: error.code, message: error.message });
  socket.once('error', fail);
  socket.once('connect', () => {
    socket.pause();
    socket.off('error', fail);
    process.send({ id }, socket);
  });
});
process.on('disconnect', () => process.exit());
process.send({});
`;

type Answer = { id?: number; code?: string; message?: string };
type Waiting = (answer: Answer, socket: Socket | undefined) => void;

interface Helper {
  readonly child: ChildProcess;
  readonly waiting: Map<number, Waiting>;
  idle: Timer | undefined;
}

/**
 * Connects to ports in another network namespace, at its loopback or another of its addresses. A socket belongs to the namespace of the
 * process that makes it, so a helper process in that namespace makes it and passes it on. A helper stays for `idleMs` for the next one.
 */
export class NetnsDialer {
  readonly #clock: Clock;
  /** By the namespace's inode, which is not reused while the helper lives in it. */
  readonly #helpers = new Map<number, Helper>();
  #next = 0;

  constructor(deps: { clock: Clock }) {
    this.#clock = deps.clock;
  }

  /**
   * `netns`: its path. `address`: absent: the loopback, in either family. Throws NetworkError `Refused` when no process listens there.
   */
  async dial(netns: string, port: number, signal: AbortSignal, address?: string): Promise<Socket> {
    const [target, self] = await Promise.all([stat(netns), stat('/proc/self/ns/net')]);
    const connectTo = (host: string): Promise<Socket> =>
      target.ino === self.ino
        ? this.#direct(host, port, signal)
        : this.#byHelper(netns, target.ino, host, port, signal);
    if (address !== undefined) return connectTo(address);
    const refusals: string[] = [];
    for (const host of loopback) {
      try {
        return await connectTo(host);
      } catch (error) {
        if (signal.aborted || !(error instanceof NetworkError) || error.code !== 'Refused') throw error;
        refusals.push(error.message);
      }
    }
    const [v4, v6] = refusals;
    throw new NetworkError(
      'Refused',
      `failed to connect to localhost:${port} inside namespace: IPv4: ${v4} IPv6: ${v6}`,
    );
  }

  close(): void {
    for (const { child } of this.#helpers.values()) child.kill('SIGKILL');
  }

  #direct(host: string, port: number, signal: AbortSignal): Promise<Socket> {
    return this.#within(signal, (resolve, reject) => {
      const socket = connect({ host, port, allowHalfOpen: true });
      socket.once('error', (error: NodeJS.ErrnoException) => reject(refusalOf(host, port, error)));
      socket.once('connect', () => {
        socket.removeAllListeners('error');
        resolve(socket);
      });
    });
  }

  #byHelper(netns: string, inode: number, host: string, port: number, signal: AbortSignal): Promise<Socket> {
    const helper = this.#helper(netns, inode);
    const id = this.#next++;
    helper.idle?.cancel();
    return this.#within(signal, (resolve, reject) => {
      helper.waiting.set(id, (answer, socket) => {
        helper.waiting.delete(id);
        if (helper.waiting.size === 0) helper.idle = this.#clock.timer(idleMs, () => this.#dismiss(inode, helper));
        if (answer.message !== undefined) return reject(refusalOf(host, port, answer));
        if (!socket) return reject(new NetworkError('Command', `dial tcp ${host}:${port}: the connection was closed`));
        socket.allowHalfOpen = true;
        resolve(socket);
      });
      helper.child.send({ id, host, port }, (error) => {
        if (error) helper.waiting.get(id)?.({ message: error.message }, undefined);
      });
    });
  }

  #helper(netns: string, inode: number): Helper {
    const running = this.#helpers.get(inode);
    if (running) return running;
    const child = spawn('nsenter', [`--net=${netns}`, process.execPath, '-e', helperProgram], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    const helper: Helper = { child, waiting: new Map(), idle: undefined };
    const gone = (why: string): void => {
      this.#dismiss(inode, helper);
      for (const take of [...helper.waiting.values()]) take({ message: why }, undefined);
    };
    child.on('message', (answer: Answer, socket) => {
      if (answer.id === undefined) return;
      const take = helper.waiting.get(answer.id);
      if (take) take(answer, socket as Socket | undefined);
      else (socket as Socket | undefined)?.destroy();
    });
    child.once('error', (error) => gone(error.message));
    child.once('exit', () => gone('the helper in the network namespace has ended'));
    child.unref();
    child.channel?.unref();
    this.#helpers.set(inode, helper);
    return helper;
  }

  #dismiss(inode: number, helper: Helper): void {
    if (this.#helpers.get(inode) === helper) this.#helpers.delete(inode);
    helper.idle?.cancel();
    if (helper.child.connected) helper.child.disconnect();
  }

  /** A socket that comes too late is closed. */
  #within(
    signal: AbortSignal,
    work: (resolve: (socket: Socket) => void, reject: (error: Error) => void) => void,
  ): Promise<Socket> {
    return new Promise((resolve, reject) => {
      let over = false;
      const finish = (settle: () => void): void => {
        if (over) return;
        over = true;
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
        settle();
      };
      const onAbort = (): void => finish(() => reject(signal.reason));
      const late = (): void => finish(() => reject(new NetworkError('Command', 'dial tcp: i/o timeout')));
      const timer = this.#clock.timer(dialMs, late);
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      work(
        (socket) => {
          if (over) socket.destroy();
          else finish(() => resolve(socket));
        },
        (error) => finish(() => reject(error)),
      );
    });
  }
}

const goWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ETIMEDOUT: 'connect: connection timed out',
};

/** In Go's words, as Kubernetes passes them on. */
function refusalOf(host: string, port: number, { code, message }: { code?: string; message?: string }): NetworkError {
  const families: Readonly<Record<string, string>> = { '127.0.0.1': 'tcp4', '::1': 'tcp6' };
  const words = (code && goWords[code]) ?? message ?? 'failed';
  const what = `dial ${families[host] ?? 'tcp'} ${bracketed(host)}:${port}: ${words}`;
  return new NetworkError(code ? 'Refused' : 'Command', what);
}
