import type { Step, StepOf } from './steps.ts';

/** Steps of one lane are done one at a time, and those of the lane `pod` while no other is under way that they exclude. */
export function laneOf(step: Step): string {
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

export interface Admission {
  readonly starts: boolean;
  /** Which of those under way are to be left in the middle, as the step cannot wait for their end. */
  readonly leaves: readonly Step[];
}

/** Whether a step may begin beside those that are under way. */
export function admitStep(step: Step, running: readonly Step[]): Admission {
  const lane = laneOf(step);
  const busy = running.find((other) => laneOf(other) === lane);
  if (busy) return { starts: false, leaves: isSuperseded(busy, step) ? [busy] : [] };
  const obstacles = running.filter((other) => excludes(step, other));
  return { starts: obstacles.length === 0, leaves: lane === 'pod' ? obstacles.filter(isAbortable) : [] };
}

/** Whether a step has a signal of its own: it may be left in the middle, or learn that there is less time. */
export function canBeLeft(step: Step): boolean {
  return isAbortable(step) || isStopping(step);
}

/** Whether two steps of different lanes must not be under way at once: what is for the whole pod is done alone. */
function excludes(a: Step, b: Step): boolean {
  if (laneOf(a) !== 'pod' && laneOf(b) !== 'pod') return false;
  return !(isBesideSandbox(a) && isBesideSandbox(b));
}

/** A sandbox is made, and what its containers need beside it. */
function isBesideSandbox({ action }: Step): boolean {
  return action === 'createSandbox' || action === 'pullImage' || action === 'createContainer';
}

/** Steps that may be left in the middle: what they leave behind, the next plan sees. */
function isAbortable({ action }: Step): boolean {
  return action === 'pullImage' || action === 'startContainer';
}

function isStopping(step: Step): step is StepOf<'preStop'> | StepOf<'stopContainer'> {
  return step.action === 'preStop' || step.action === 'stopContainer';
}

/** Whether the step of one lane makes the one before it pointless: a stop, or one with less time. */
function isSuperseded(running: Step, planned: Step): boolean {
  if (isStopping(running) && isStopping(planned)) {
    return running.id === planned.id && planned.deadline < running.deadline;
  }
  return isAbortable(running) && planned.action === 'stopContainer';
}
