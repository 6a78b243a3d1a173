import type { Step, StepOf } from './steps.ts';

/**
 * The lock that a step holds while it runs. Steps with the same lock never run at once; a step with the lock `pod` also excludes
 * those with other locks, except while a sandbox is made (`runsBesideSandbox`).
 */
export function lockOf(step: Step): string {
  switch (step.action) {
    case 'pullImage':
    case 'createContainer':
    case 'startContainer':
    case 'preStop':
    case 'stopContainer':
    case 'updateContainer':
      return `container/${step.container}`;
    case 'removeContainer':
      return `remove/${step.id}`;
    case 'prepareVolumes':
      return 'volumes';
    default:
      return 'pod';
  }
}

export interface StartDecision {
  readonly starts: boolean;
  /** Running steps to cancel, because the step cannot wait for their end. */
  readonly cancels: readonly Step[];
}

/** Whether a step may start beside those that are running. */
export function tryStart(step: Step, running: readonly Step[]): StartDecision {
  const lock = lockOf(step);
  const holder = running.find((other) => lockOf(other) === lock);
  if (holder) return { starts: false, cancels: isSuperseded(holder, step) ? [holder] : [] };
  const blockers = running.filter((other) => excludes(step, other));
  return { starts: blockers.length === 0, cancels: lock === 'pod' ? blockers.filter(isAbortable) : [] };
}

/** Whether a step gets an abort signal of its own: to end it early, or to repeat it with an earlier deadline. */
export function isCancellable(step: Step): boolean {
  return isAbortable(step) || isStop(step);
}

/** Whether two steps with different locks must not run at once. */
function excludes(a: Step, b: Step): boolean {
  if (lockOf(a) !== 'pod' && lockOf(b) !== 'pod') return false;
  return !(runsBesideSandbox(a) && runsBesideSandbox(b));
}

/** While a sandbox is made, images are pulled and containers created for it. */
function runsBesideSandbox({ action }: Step): boolean {
  return action === 'createSandbox' || action === 'pullImage' || action === 'createContainer';
}

/** Steps that may be aborted halfway: the next plan sees what they have left behind. */
function isAbortable({ action }: Step): boolean {
  return action === 'pullImage' || action === 'startContainer';
}

function isStop(step: Step): step is StepOf<'preStop'> | StepOf<'stopContainer'> {
  return step.action === 'preStop' || step.action === 'stopContainer';
}

/** Whether a planned step makes the running one with the same lock pointless: a stop, or a stop with an earlier deadline. */
function isSuperseded(running: Step, planned: Step): boolean {
  if (isStop(running) && isStop(planned)) {
    return running.id === planned.id && planned.deadline < running.deadline;
  }
  return isAbortable(running) && planned.action === 'stopContainer';
}
