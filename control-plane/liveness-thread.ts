import { parentPort, workerData } from 'node:worker_threads';
import { systemClock as clock, processMonotonic } from '../shared/clock.ts';
import { createLog } from '../shared/log.ts';
import { systemRandom as random } from '../shared/random.ts';
import type { ServerTls } from '../shared/rpc/server-credentials.ts';
import { createHeartbeatPort } from './heartbeat-port.ts';
import { LivenessCore } from './liveness/core.ts';
import { maxStallMs } from './liveness/liveness.ts';
import { hostLiveness } from './liveness/thread-host.ts';
import { beatMs, type FromThread, type ObservedCall, SharedTimes } from './liveness/thread-messages.ts';
import { EtcdStore } from './store/etcd/etcd-store.ts';

/** What the thread is started with. */
export interface LivenessThreadData {
  readonly server: string;
  readonly logLevel: string;
  readonly etcd: {
    readonly endpoints: readonly string[];
    readonly tls?: { readonly ca: Uint8Array; readonly cert?: Uint8Array; readonly key?: Uint8Array };
  };
  readonly tls: ServerTls;
  /** Of SharedTimes. */
  readonly times: SharedArrayBuffer;
}

/** The liveness thread: an etcd client, the leases, and the port of the heartbeats. It loads as little as that takes. */
function run(data: LivenessThreadData): void {
  const port = parentPort;
  if (!port) throw new Error('this is no thread');
  const log = createLog(data.logLevel, { program: 'server', thread: 'liveness' });
  const times = new SharedTimes(data.times);
  let calls: ObservedCall[] = [];
  const store = new EtcdStore({
    ...{ clock, random, log: log.child({ component: 'store' }) },
    endpoints: data.etcd.endpoints,
    ...(data.etcd.tls ? { tls: buffers(data.etcd.tls) } : {}),
    observe: (...call) => void calls.push(call),
  });
  const core = new LivenessCore({
    ...{ store, clock, random, log, server: data.server },
    mainLives: () => processMonotonic() - times.mainRan < maxStallMs,
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
  const beat = (): void => {
    times.threadRan = processMonotonic();
    if (calls.length > 0) port.postMessage({ type: 'observed', calls } satisfies FromThread);
    calls = [];
    clock.timer(beatMs, beat);
  };
  beat();
  hostLiveness({ port, core, listener, log, stopped: () => void store.close() });
}

/** Buffers arrive as plain bytes. */
function buffers({ ca, cert, key }: NonNullable<LivenessThreadData['etcd']['tls']>) {
  return {
    ca: Buffer.from(ca),
    ...(cert ? { cert: Buffer.from(cert) } : {}),
    ...(key ? { key: Buffer.from(key) } : {}),
  };
}

run(workerData as LivenessThreadData);
