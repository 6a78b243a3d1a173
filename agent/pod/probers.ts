import type { Pod, PodStatus } from '../../shared/generated/types.ts';
import { ContainerProber, hasProbes, type ProberDeps } from '../probes/prober.ts';
import type { ContainerState } from '../runtime/runtime.ts';
import { containerNamed } from './containers.ts';
import type { PodProgress, ProbeVerdict } from './model.ts';

/** What the choice of the containers to probe depends on. */
export interface ProbedPod {
  readonly pod: Pod;
  readonly containers: Iterable<ContainerState>;
  readonly progress: PodProgress;
  /** The pod's address; undefined while it has none. */
  readonly address: string | undefined;
  /** The pod has ended, or is being deleted. */
  readonly terminating: boolean;
  readonly reported: PodStatus | undefined;
}

/** The probers of one pod's running containers. Of a terminating pod only the readiness is probed, as in the kubelet. */
export class PodProbers {
  readonly #deps: ProberDeps;
  readonly #changed: () => void;
  readonly #probers = new Map<string, ContainerProber>();

  constructor(deps: ProberDeps, changed: () => void) {
    this.#deps = deps;
    this.#changed = changed;
  }

  /** By container id. */
  verdicts(): Map<string, ProbeVerdict> {
    return new Map([...this.#probers].map(([id, prober]) => [id, prober.verdict]));
  }

  sync({ pod, containers, progress, address, terminating, reported }: ProbedPod): void {
    const running = [...containers].filter(({ state }) => state === 'running');
    for (const [id, prober] of this.#probers) {
      if (terminating) prober.stopAllButReadiness();
      if (running.some((state) => state.id === id)) continue;
      prober.stop();
      this.#probers.delete(id);
    }
    if (!address) return;
    for (const state of running) {
      const container = containerNamed(pod, state.name);
      if (!container || !hasProbes(container) || this.#probers.has(state.id)) continue;
      if (progress.containers.get(state.name)?.hookPending) continue;
      const startedAt = state.startedAt ?? this.#deps.clock.now();
      const subject = { pod, container, containerId: state.id, startedAt, address };
      const prober = new ContainerProber(this.#deps, subject, reportedVerdict(reported, state), this.#changed);
      if (terminating) prober.stopAllButReadiness();
      this.#probers.set(state.id, prober);
    }
  }

  stop(): void {
    for (const prober of this.#probers.values()) prober.stop();
  }
}

/** The verdict of the last reported status, if it is of the same container. */
function reportedVerdict(reported: PodStatus | undefined, { id }: ContainerState): ProbeVerdict | undefined {
  const all = [...(reported?.initContainerStatuses ?? []), ...(reported?.containerStatuses ?? [])];
  const known = all.find(({ containerID }) => containerID?.endsWith(`://${id}`));
  return known && { started: known.started ?? false, ready: known.ready };
}
