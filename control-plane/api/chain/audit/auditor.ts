import { Counter, type Registry } from 'prom-client';
import type { Clock } from '../../../../shared/clock.ts';
import { ApiError, messageOf } from '../../../../shared/errors.ts';
import type { Log } from '../../../../shared/log.ts';
import { type Random, uuid } from '../../../../shared/random.ts';
import type { AuditSink } from './log-file.ts';
import { type AuditPolicy, decideAudit } from './policy.ts';
import { AuditTrail, type Received } from './trail.ts';

/** The ids that clients may give their requests. */
const goodId = /^[A-Za-z0-9._-]{1,64}$/;

export interface AuditorDeps {
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Random;
  readonly log: Log;
  readonly registry?: Registry;
  /** Absent: nothing is written, and requests only get ids. */
  readonly audit?: {
    readonly policy: AuditPolicy;
    readonly sink: AuditSink;
    /** A request is not carried out before its first event is written, and no event is dropped. */
    readonly strict: boolean;
  };
}

/** Writes the audit events of requests, as far as the policy wants them. */
export class Auditor {
  readonly #deps: AuditorDeps;
  readonly #events: Counter | undefined;
  readonly #lost: Counter<'plugin'> | undefined;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: AuditorDeps) {
    this.#deps = deps;
    const { audit, registry } = deps;
    if (audit?.strict && omitsReceived(audit.policy)) {
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

  /** The id of a request: the client's, if it is valid, else a new one. */
  idOf(given: string | string[] | undefined): string {
    return typeof given === 'string' && goodId.test(given) ? given : uuid(this.#deps.random);
  }

  /** Begins the trail of a request; undefined where the policy wants none. Strict: rejects when the first event cannot be written. */
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
    // Strict: requests under way are bounded, as no more are admitted while too many events wait.
    if (audit.sink.offer(line, audit.strict)) return;
    this.#lost?.inc({ plugin: 'log' });
    if (clock.now() - this.#reportedAt < 10_000) return;
    this.#reportedAt = clock.now();
    log.error('audit events are lost: they cannot be written as fast as they come');
  }
}

function omitsReceived({ omitStages, rules }: AuditPolicy): boolean {
  return [{ omitStages }, ...rules].some((one) => one.omitStages?.includes('RequestReceived'));
}
