import { Counter, type Registry } from 'prom-client';
import type { Clock } from '../../../../shared/clock.ts';
import { ApiError, messageOf } from '../../../../shared/errors.ts';
import type { Log } from '../../../../shared/log.ts';
import { type Random, uuid } from '../../../../shared/random.ts';
import type { AuditSink } from './log-file.ts';
import { type AuditPolicy, decideAudit } from './policy.ts';
import { AuditTrail, type Received } from './trail.ts';

/** Ids that clients give their requests may have these. */
const goodId = /^[A-Za-z0-9._-]{1,64}$/;

export interface AuditorDeps {
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Random;
  readonly log: Log;
  readonly registry?: Registry;
  /** Absent: nothing is written, requests only get their ids. */
  readonly audit?: {
    readonly policy: AuditPolicy;
    readonly sink: AuditSink;
    /** Nothing is carried out whose coming has not been written first, and nothing is lost for want of room. */
    readonly strict: boolean;
  };
}

/** Writes who asked for what, and what came of it, as far as the policy wants it. */
export class Auditor {
  readonly #deps: AuditorDeps;
  readonly #events: Counter | undefined;
  readonly #lost: Counter<'plugin'> | undefined;
  #told = Number.NEGATIVE_INFINITY;

  constructor(deps: AuditorDeps) {
    this.#deps = deps;
    const { audit, registry } = deps;
    if (audit?.strict && hidesComing(audit.policy)) {
      throw new Error(
        'strict auditing writes every request as it comes: the audit policy may not omit RequestReceived',
      );
    }
    if (!registry || !audit) return;
    const registers = [registry];
    this.#events = new Counter({ name: 'apiserver_audit_event_total', help: 'Audit events.', registers });
    this.#lost = new Counter({
      name: 'apiserver_audit_error_total',
      help: 'Audit events that were lost.',
      labelNames: ['plugin'],
      registers,
    });
  }

  /** Whether anything is written. */
  get on(): boolean {
    return this.#deps.audit !== undefined;
  }

  /** The id of a request: the one that its client gave it, when it is one. */
  idOf(given: string | string[] | undefined): string {
    return typeof given === 'string' && goodId.test(given) ? given : uuid(this.#deps.random);
  }

  /** The trail of a request that has come; undefined when none is wanted. Strict: rejects when its coming cannot be written. */
  begin(received: Received): AuditTrail | undefined | Promise<AuditTrail> {
    const { audit, clock } = this.#deps;
    if (!audit) return undefined;
    const decision = decideAudit(audit.policy, received.request);
    if (decision.level === 'None') return undefined;
    const trail = new AuditTrail({ now: () => clock.now(), emit: (line) => this.#emit(line) }, received, decision);
    const line = trail.received();
    if (line === undefined) return trail;
    if (!audit.strict) {
      this.#emit(line);
      return trail;
    }
    this.#events?.inc();
    return audit.sink.write(line).then(
      () => trail,
      (cause: unknown) => {
        this.#lost?.inc({ plugin: 'log' });
        if (cause instanceof ApiError) throw cause;
        throw new ApiError('InternalError', `the request could not be audited: ${messageOf(cause)}`, {}, { cause });
      },
    );
  }

  async close(): Promise<void> {
    await this.#deps.audit?.sink.close();
  }

  #emit(line: string): void {
    const { audit, clock, log } = this.#deps;
    if (!audit) return;
    this.#events?.inc();
    // Strict: those under way are bounded, as no more are let in while too much waits.
    if (audit.sink.offer(line, audit.strict)) return;
    this.#lost?.inc({ plugin: 'log' });
    if (clock.now() - this.#told < 10_000) return;
    this.#told = clock.now();
    log.error('audit events are lost: they cannot be written as fast as they come');
  }
}

function hidesComing({ omitStages, rules }: AuditPolicy): boolean {
  return [{ omitStages }, ...rules].some((one) => one.omitStages?.includes('RequestReceived'));
}
