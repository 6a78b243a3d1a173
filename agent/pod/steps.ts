/** Every step with its arguments. Times are milliseconds since the epoch. */
export interface StepArgs {
  prepareVolumes: object;
  createSandbox: { attempt: number };
  removeSandbox: { id: string };
  pullImage: { container: string; attempt: number };
  createContainer: { container: string; attempt: number; sandboxId: string };
  startContainer: { container: string; id: string };
  /** Runs the preStop hook of a container whose turn to stop has not come; given up at the deadline. */
  preStop: { container: string; id: string; deadline: number };
  /** Runs the preStop hook if that has not been done, and ends with SIGKILL at the deadline. `why` is the event's text. */
  /** `replaces`: one of another definition follows, whatever the restart policy says. */
  stopContainer: { container: string; id: string; deadline: number; why: string; replaces?: true };
  /** Gives a running container what its spec says now. `from`, `resources`: as `resourcesText` has them. */
  updateContainer: { container: string; id: string; from: string; resources: string };
  removeContainer: { container: string; id: string };
  /** The pod has ended by itself, or does not run here (`refused`). */
  finish: { phase: 'Succeeded' | 'Failed'; reason?: string; message?: string; refused?: true };
  /** The pod has ended and nothing of it runs: its volumes take no more room. */
  releaseVolumes: object;
  /** Nothing of the pod runs any more: forget its volumes, address and records, and say so. */
  cleanup: object;
  /** Nothing to do before then. */
  wait: { until: number };
}

export type Action = keyof StepArgs;
export type StepOf<A extends Action> = { readonly action: A } & Readonly<StepArgs[A]>;
export type Step = { [A in Action]: StepOf<A> }[Action];
