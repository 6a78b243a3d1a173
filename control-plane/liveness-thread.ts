import { parentPort, workerData } from 'node:worker_threads';
import { systemClock as clock, processMonotonic } from '../shared/clock.ts';
import { createLog } from '../shared/log.ts';
import { systemRandom as random } from '../shared/random.ts';
import type { ServerTls } from '../shared/rpc/server-credentials.ts';
import { createHeartbeatPort } from './heartbeat-port.ts';
import { LivenessCore } from './liveness/core.ts';
import { maxStallMs } from './liveness/liveness.ts';
import { hostLiveness } from './liveness/thread-host.ts';
import { aliveIntervalMs, type FromThread, type ObservedCall, SharedTimes } from './liveness/thread-messages.ts';
import { EtcdStore } from './store/etcd/etcd-store.ts';

/** The data that the thread is started with. */
export interface LivenessThreadData {
  readonly server: string;
  readonly logLevel: string;
  readonly etcd: {
    readonly endpoints: readonly string[];
    readonly tls?: { readonly ca: Uint8Array; readonly cert?: Uint8Array; readonly key?: Uint8Array };
  };
  readonly tls: ServerTls;
  /** The buffer of SharedTimes. */
  readonly times: SharedArrayBuffer;
}

/** The liveness thread: an etcd client, the leases, and the heartbeat listener. It loads no other code. */
function run(data: LivenessThreadData): void {
  const port = parentPort;
  if (!port) throw new Error('not run in a thread');
  const log = createLog(data.logLevel, { program: 'server', thread: 'liveness' });
  const times = new SharedTimes(data.times);
  let calls: ObservedCall[] = [];
  const store = new EtcdStore({
    clock,
    random,
    log: log.child({ component: 'store' }),
    endpoints: data.etcd.endpoints,
    ...(data.etcd.tls ? { tls: buffers(data.etcd.tls) } : {}),
    observe: (...call) => void calls.push(call),
  });
  const core = new LivenessCore({
    store,
    clock,
    random,
    log,
    server: data.server,
    mainThreadAlive: () => processMonotonic() - times.mainAliveAt < maxStallMs,
    cell: {
      get until() {
        return times.leadsUntil - processMonotonic() + clock.monotonic();
      },
      set until(at) {
        times.leadsUntil = at - clock.monotonic() + processMonotonic();
      },
    },
  });
  const listener = createHeartbeatPort({ heartbeats: core, tls: data.tls, clock, log });
  const recordAlive = (): void => {
    times.livenessAliveAt = processMonotonic();
    if (calls.length > 0) port.postMessage({ type: 'observed', calls } satisfies FromThread);
    calls = [];
    clock.timer(aliveIntervalMs, recordAlive);
  };
  recordAlive();
  hostLiveness({ port, core, listener, log, stopped: () => void store.close() });
}

/** Buffers are passed between threads as plain bytes. */
function buffers({ ca, cert, key }: NonNullable<LivenessThreadData['etcd']['tls']>) {
  return {
    ca: Buffer.from(ca),
    ...(cert ? { cert: Buffer.from(cert) } : {}),
    ...(key ? { key: Buffer.from(key) } : {}),
  };
}

run(workerData as LivenessThreadData);
