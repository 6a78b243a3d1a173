/** Every step with its arguments. Times are milliseconds since the epoch. */
export interface StepArgs {
  prepareVolumes: object;
  createSandbox: { attempt: number };
  removeSandbox: { id: string };
  pullImage: { container: string; attempt: number };
  createContainer: { container: string; attempt: number; sandboxId: string };
  startContainer: { container: string; id: string };
  /** Runs the preStop hook of a container that is stopped later; given up at the deadline. */
  preStop: { container: string; id: string; deadline: number };
  /**
   * Runs the preStop hook unless it has run, stops, and kills at the deadline. `why`: the event's message. `replaces`: a container with
   * the changed definition follows, whatever the restart policy.
   */
  stopContainer: { container: string; id: string; deadline: number; why: string; replaces?: true };
  /** Resizes a running container to its spec. `from`, `resources`: as `resourcesText` formats them. */
  updateContainer: { container: string; id: string; from: string; resources: string };
  removeContainer: { container: string; id: string };
  /** The pod has ended, or cannot run on this node (`refused`). */
  finish: { phase: 'Succeeded' | 'Failed'; reason?: string; message?: string; refused?: true };
  /** The pod has ended and no container runs: removes its volumes. */
  releaseVolumes: object;
  /** No container is left: removes the pod's volumes, address and checkpoint, and reports it as terminated. */
  cleanup: object;
  /** Plan again at this time. */
  wait: { until: number };
}

export type Action = keyof StepArgs;
export type StepOf<A extends Action> = { readonly action: A } & Readonly<StepArgs[A]>;
export type Step = { [A in Action]: StepOf<A> }[Action];
