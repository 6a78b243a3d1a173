import type { Pod, PodStatus } from '../../shared/generated/types.ts';
import { ContainerProber, hasProbes, type ProberDeps } from '../probes/prober.ts';
import type { ContainerState } from '../runtime/runtime.ts';
import { containersOf } from './containers.ts';
import type { PodProgress, ProbeVerdict } from './model.ts';

/** What decides which containers of a pod are probed. */
export interface ProbedPod {
  readonly pod: Pod;
  readonly containers: Iterable<ContainerState>;
  readonly progress: PodProgress;
  /** Where the pod is reached; undefined while it is not. */
  readonly address: string | undefined;
  /** It has ended, or is being deleted. */
  readonly going: boolean;
  readonly reported: PodStatus | undefined;
}

/** The probers of one pod: of what runs, and only that. Of a pod that is going only the readiness is of interest, to its end. */
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

  sync({ pod, containers, progress, address, going, reported }: ProbedPod): void {
    const running = [...containers].filter(({ state }) => state === 'running');
    for (const [id, prober] of this.#probers) {
      if (going) prober.stopAllButReadiness();
      if (running.some((state) => state.id === id)) continue;
      prober.stop();
      this.#probers.delete(id);
    }
    if (!address) return;
    for (const state of running) {
      const container = containersOf(pod).find(({ spec }) => spec.name === state.name)?.spec;
      if (!container || !hasProbes(container) || this.#probers.has(state.id)) continue;
      if (progress.containers.get(state.name)?.hookPending) continue;
      const startedAt = state.startedAt ?? this.#deps.clock.now();
      const subject = { pod, container, containerId: state.id, startedAt, address };
      const prober = new ContainerProber(this.#deps, subject, knownVerdict(reported, state), this.#changed);
      if (going) prober.stopAllButReadiness();
      this.#probers.set(state.id, prober);
    }
  }

  stop(): void {
    for (const prober of this.#probers.values()) prober.stop();
  }
}

/** What the last reported status says of this very container. */
function knownVerdict(reported: PodStatus | undefined, { id }: ContainerState): ProbeVerdict | undefined {
  const all = [...(reported?.initContainerStatuses ?? []), ...(reported?.containerStatuses ?? [])];
  const known = all.find(({ containerID }) => containerID?.endsWith(`://${id}`));
  return known && { started: known.started ?? false, ready: known.ready };
}
