import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../../shared/clock.ts';
import type { Pod, PodStatus } from '../../shared/generated/types.ts';
import type { PodStatusUpdate } from '../../shared/session.ts';
import { backOffEvents } from './back-off-events.ts';
import type { PodView } from './model.ts';
import { podRef } from './pod-ref.ts';
import { podStatus, type StatusContext } from './status.ts';

export interface StatusReporterDeps {
  readonly clock: Clock;
  status(): StatusContext;
  event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void;
  /** Sends a status to the control plane. */
  report(update: PodStatusUpdate): void;
}

export interface StatusSubject {
  /** What the status is made from, as it is now. */
  view(): PodView;
  /** A status is about to be sent. */
  changed(): void;
}

/** A change of the status is reported within this time, in milliseconds, although steps are running. */
const reportWithinMs = 20;

/** Reports one pod's status when it has changed, with the events of containers that have entered a back-off. */
export class StatusReporter {
  readonly #deps: StatusReporterDeps;
  readonly #subject: StatusSubject;
  #status: PodStatus | undefined;
  /** The status as text, for a cheap comparison. */
  #text: string | undefined;
  #timer: Timer | undefined;

  /** `status`: what the control plane has. */
  constructor(deps: StatusReporterDeps, status: PodStatus | undefined, subject: StatusSubject) {
    this.#deps = deps;
    this.#subject = subject;
    this.#status = status;
  }

  /** The status that was reported last. */
  get status(): PodStatus | undefined {
    return this.#status;
  }

  /** Reports soon, so that changes that follow each other become one report. */
  schedule(): void {
    this.#timer ??= this.#deps.clock.timer(reportWithinMs, () => {
      this.#timer = undefined;
      this.report(this.#deps.clock.now());
    });
  }

  /** `terminated`: the pod is gone from the node, which is reported even when the status is the same. */
  report(now: number, terminated = false): void {
    this.cancel();
    const view = this.#subject.view();
    const status = podStatus(view, this.#status, this.#deps.status(), now);
    const text = JSON.stringify(status);
    const same = this.#text ? text === this.#text : isDeepStrictEqual(status, this.#status);
    this.#text = text;
    if (same && !terminated) return;
    for (const { type, reason, text, container } of backOffEvents(view.pod, this.#status, status)) {
      this.#deps.event(view.pod, type, reason, text, container);
    }
    this.#status = status;
    this.#subject.changed();
    this.#deps.report({ ...podRef(view.pod), status, terminated });
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
