import type { Clock, Timer } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Container, Pod, Probe } from '../../shared/generated/types.ts';
import type { ProbeVerdict } from '../pod/model.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Dialers } from './dialers.ts';
import { countResult, type ProbeCount, probeTimes } from './probe.ts';
import { httpTarget, portNumber } from './target.ts';

export interface ProberDeps {
  readonly runtime: Pick<Runtime, 'exec'>;
  readonly dialers: Dialers;
  readonly clock: Clock;
  event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void;
}

/** The running container that is probed. */
export interface ProbeSubject {
  readonly pod: Pod;
  readonly container: Container;
  readonly containerId: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** The pod's address. */
  readonly address: string;
}

type Kind = 'startup' | 'liveness' | 'readiness';
type Result = { readonly success: boolean; readonly message: string; readonly warning?: boolean };

const maxOutput = 10_240;

export function hasProbes({ startupProbe, livenessProbe, readinessProbe }: Container): boolean {
  return startupProbe !== undefined || livenessProbe !== undefined || readinessProbe !== undefined;
}

/**
 * Probes one container while it runs. The other probes begin when the startup probe has succeeded, which then stops. After a failed
 * liveness or startup probe the container is restarted, and gets a new prober.
 */
export class ContainerProber {
  readonly #deps: ProberDeps;
  readonly #subject: ProbeSubject;
  readonly #onChange: () => void;
  readonly #timers = new Map<Kind, Timer>();
  readonly #counts = new Map<Kind, ProbeCount>();
  readonly #stopped = new AbortController();
  #ending = false;
  #verdict: ProbeVerdict;

  /** `known`: the verdict from before the agent's restart, so that a ready pod does not flap. */
  constructor(deps: ProberDeps, subject: ProbeSubject, known: ProbeVerdict | undefined, onChange: () => void) {
    this.#deps = deps;
    this.#subject = subject;
    this.#onChange = onChange;
    const { startupProbe, readinessProbe } = subject.container;
    this.#verdict = {
      ...(startupProbe ? { started: known?.started ?? false } : {}),
      ...(readinessProbe ? { ready: known?.ready ?? false } : {}),
    };
    if (startupProbe && !this.#verdict.started) this.#begin('startup', startupProbe);
    else this.#beginOthers();
  }

  get verdict(): ProbeVerdict {
    return this.#verdict;
  }

  /** The pod is terminating: only readiness is still probed, as in the kubelet. */
  stopAllButReadiness(): void {
    this.#ending = true;
    for (const kind of ['startup', 'liveness'] as const) {
      this.#timers.get(kind)?.cancel();
      this.#timers.delete(kind);
    }
  }

  stop(): void {
    this.#stopped.abort();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #beginOthers(): void {
    const { livenessProbe, readinessProbe } = this.#subject.container;
    if (livenessProbe) this.#begin('liveness', livenessProbe);
    if (readinessProbe) this.#begin('readiness', readinessProbe);
  }

  #begin(kind: Kind, probe: Probe): void {
    const ranMs = this.#deps.clock.now() - this.#subject.startedAt;
    this.#schedule(kind, probe, Math.max(0, probeTimes(probe).initialDelayMs - Math.max(0, ranMs)));
  }

  #schedule(kind: Kind, probe: Probe, ms: number): void {
    this.#timers.set(
      kind,
      this.#deps.clock.timer(ms, () => void this.#run(kind, probe)),
    );
  }

  async #run(kind: Kind, probe: Probe): Promise<void> {
    const begun = this.#deps.clock.monotonic();
    const result = await runProbe(this.#deps, this.#subject, probe, this.#stopped.signal);
    if (this.#stopped.signal.aborted || (this.#ending && kind !== 'readiness')) return;
    if (!this.#take(kind, probe, result)) return;
    const took = this.#deps.clock.monotonic() - begun;
    this.#schedule(kind, probe, Math.max(0, probeTimes(probe).periodMs - took));
  }

  /** Counts a result; false when the probe is over. */
  #take(kind: Kind, probe: Probe, result: Result): boolean {
    const { pod, container } = this.#subject;
    const name = `${kind.charAt(0).toUpperCase()}${kind.slice(1)} probe`;
    if (!result.success) {
      this.#deps.event(pod, 'Warning', 'Unhealthy', `${name} failed: ${result.message}`, container.name);
    } else if (result.warning) {
      this.#deps.event(pod, 'Warning', 'ProbeWarning', `${name} warning: ${result.message}`, container.name);
    }
    const { count, verdict } = countResult(this.#counts.get(kind), result.success, probe);
    this.#counts.set(kind, count);
    if (verdict === undefined) return true;
    if (kind === 'readiness') {
      if (this.#verdict.ready !== verdict) this.#set({ ready: verdict });
      return true;
    }
    if (!verdict) {
      const graceSeconds = probe.terminationGracePeriodSeconds;
      this.#set({ unhealthy: { probe: kind, ...(graceSeconds === undefined ? {} : { graceSeconds }) } });
      return false;
    }
    if (kind === 'liveness') return true;
    this.#set({ started: true });
    this.#beginOthers();
    return false;
  }

  #set(change: ProbeVerdict): void {
    this.#verdict = { ...this.#verdict, ...change };
    this.#onChange();
  }
}

/** One attempt, with its deadline. Never throws: an error is a failure. */
async function runProbe(deps: ProberDeps, subject: ProbeSubject, probe: Probe, signal: AbortSignal): Promise<Result> {
  const { timeoutMs } = probeTimes(probe);
  const { pod, container, address, containerId } = subject;
  try {
    if (probe.exec) {
      const command = probe.exec.command ?? [];
      const { exitCode, output } = await deps.runtime.exec(containerId, command, { timeoutMs, maxBytes: maxOutput });
      return { success: exitCode === 0, message: output };
    }
    if (probe.httpGet) {
      const target = httpTarget(pod, container.name, probe.httpGet, address);
      const { status, body } = await deps.dialers.http(target, timeoutMs, signal);
      if (status >= 300 && status < 400) {
        return { success: true, warning: true, message: `Probe terminated redirects, Response body: ${body}` };
      }
      const success = status >= 200 && status < 300;
      return { success, message: success ? '' : `HTTP probe failed with statuscode: ${status}` };
    }
    if (probe.tcpSocket) {
      const port = portNumber(pod, container.name, probe.tcpSocket.port);
      await deps.dialers.tcp(probe.tcpSocket.host || address, port, timeoutMs, signal);
      return { success: true, message: '' };
    }
    if (probe.grpc) {
      const status = await deps.dialers.grpc(address, probe.grpc.port, probe.grpc.service ?? '', timeoutMs, signal);
      return { success: status === 'SERVING', message: `service unhealthy (responded with "${status}")` };
    }
    return { success: true, message: '' };
  } catch (error) {
    return { success: false, message: messageOf(error) };
  }
}
