import type { Clock } from '../../shared/clock.ts';
import { ApiError, messageOf } from '../../shared/errors.ts';
import type { PodStatus } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import type { AttachStreamParameters, SessionTransport, StreamRequest } from '../../shared/session.ts';
import type { ContainerState, Runtime } from '../runtime/runtime.ts';
import { serveLogs } from './logs.ts';
import { servePortForward } from './port-forward.ts';
import { serveAttach, serveExec } from './process.ts';
import { type Serve, serveTunnel } from './tunnel.ts';

/** The most streams that a node serves at a time. */
const maxStreams = 1_000;

export interface StreamsDeps {
  readonly transport: SessionTransport;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly log: Log;
  readonly pods: StreamPods;
  /** Serves a connection to the agent's HTTP server. */
  readonly kubelet: Serve;
}

/** What streams need to know of the node's pods. */
export interface StreamPods {
  hasPod(uid: string): boolean;
  /** The status last reported of a pod. */
  statusOf(uid: string): PodStatus | undefined;
  /** The running container of this name. */
  runningContainer(parameters: Pick<AttachStreamParameters, 'uid' | 'container'>): ContainerState | undefined;
  /** The pod's running sandbox. */
  sandboxOf(uid: string): string | undefined;
}

/** The streams that the control plane has requested, each over a tunnel that the agent dials. */
export class Streams {
  readonly #deps: StreamsDeps;
  readonly #open = new Map<string, AbortController>();

  constructor(deps: StreamsDeps) {
    this.#deps = { ...deps, log: deps.log.child({ component: 'streams' }) };
  }

  get size(): number {
    return this.#open.size;
  }

  /** Serves a request until it ends, `close` names it or the signal is aborted. */
  open(id: string, request: StreamRequest, signal: AbortSignal): void {
    const stop = new AbortController();
    this.#open.set(id, stop);
    const serve = this.#open.size > maxStreams ? refuse : this.#serve(request);
    serveTunnel(this.#deps, id, serve, AbortSignal.any([signal, stop.signal]))
      .catch((error: unknown) => {
        this.#deps.log.debug({ stream: request.stream, err: messageOf(error) }, 'stream failed');
      })
      .finally(() => this.#open.delete(id));
  }

  close(id: string): void {
    this.#open.get(id)?.abort();
  }

  #serve(request: StreamRequest): Serve {
    const { runtime, pods, log } = this.#deps;
    const hasPod = (uid: string) => pods.hasPod(uid);
    const find = (parameters: AttachStreamParameters) => pods.runningContainer(parameters);
    switch (request.stream) {
      case 'logs':
        return serveLogs({ runtime, hasPod, statusOf: (uid) => pods.statusOf(uid) }, request.parameters);
      case 'exec':
        return serveExec({ runtime, log, hasPod, find }, request.parameters);
      case 'attach':
        return serveAttach({ runtime, log, hasPod, find }, request.parameters);
      case 'portForward':
        return servePortForward(
          { runtime, sandboxOf: (uid) => pods.sandboxOf(uid), addressesOf: (uid) => addressesOf(pods.statusOf(uid)) },
          request.parameters,
        );
      case 'kubelet':
        return this.#deps.kubelet;
    }
  }
}

function addressesOf(status: PodStatus | undefined): string[] {
  return [status?.podIP ?? '', ...(status?.podIPs ?? []).map(({ ip = '' }) => ip)].filter((ip) => ip !== '');
}

const refuse: Serve = async () => {
  throw new ApiError('TooManyRequests', `the node serves ${maxStreams} streams already`);
};
