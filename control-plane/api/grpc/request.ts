import type { EventEmitter } from 'node:events';
import { type Deadline, Metadata, type sendUnaryData, status } from '@grpc/grpc-js';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError, isApiError } from '../../../shared/errors.ts';
import type { Log } from '../../../shared/log.ts';
import { warningKey } from '../../../shared/rpc/channel.ts';
import type { RpcSchema } from '../../../shared/rpc/schema.ts';
import { type StatusError, toStatusError } from '../../../shared/rpc/status.ts';
import { anonymous } from '../auth/authentication.ts';
import type { ShownCredentials } from '../auth/authenticator.ts';
import { ipOfPeer, toAudited } from '../chain/audit/audited-call.ts';
import { codeOf } from '../chain/audit/trail.ts';
import type { Chain } from '../chain/chain.ts';
import type { FairGate } from '../chain/fairness/gate.ts';
import type { ChainContext, Outcome, WireRequest } from '../chain/request.ts';
import type { RequestInfo } from '../chain/request-info.ts';
import { type AuthenticatedCall, shownBy } from './credentials.ts';
import type { Deliveries } from './deliveries.ts';

/** The longest that a unary call may take, whatever deadline its client set. */
const unaryCapMs = 60_000;
/** The metadata of a call's audit id: Kubernetes' header. */
const auditKey = 'audit-id';

export interface CallDeps {
  readonly chain: Chain;
  /** Says when a client has taken its answer. Absent: a call does not wait for that. */
  readonly deliveries?: Deliveries;
  readonly clock: Clock;
  readonly log: Log;
  readonly schema: Pick<RpcSchema, 'rpcStatus' | 'status'>;
  /** Called when a call has ended: its path, gRPC code and seconds. For metrics. */
  readonly observe?: (path: string, code: number, seconds: number) => void;
}

/** The parts of a grpc-js call that all kinds of calls have. */
export interface AnyCall extends EventEmitter, AuthenticatedCall {
  getDeadline(): Deadline;
  getPeer(): string;
  getPath(): string;
}

export interface GrpcRequestOptions {
  readonly longRunning: boolean;
  /** The call goes on until its messages have been read, even if its client has gone. */
  readonly outlivesClient?: boolean;
}

/** A gRPC call as the chain sees it. Its kinds differ in how they are answered. */
abstract class GrpcRequest implements WireRequest {
  readonly context: ChainContext;
  readonly auditedByApi = true;
  readonly info: RequestInfo;
  readonly longRunning: boolean;
  readonly timeoutMs: number;
  /** Its audit id. */
  protected readonly id: string | undefined;
  /** The gRPC code that it was answered with. */
  protected code = 0;
  protected readonly deps: CallDeps;
  readonly #call: AnyCall;
  readonly #controller = new AbortController();

  constructor(deps: CallDeps, call: AnyCall, { longRunning, outlivesClient = false }: GrpcRequestOptions) {
    this.deps = deps;
    this.#call = call;
    const { auditor } = deps.chain;
    const path = call.getPath();
    this.info = { verb: 'post', path };
    this.longRunning = longRunning;
    this.timeoutMs = Math.min(
      remainingMs(call.getDeadline(), deps.clock.now()),
      longRunning ? Number.POSITIVE_INFINITY : unaryCapMs,
    );
    this.id = auditor?.idOf(call.metadata.get(auditKey)[0]?.toString());
    const [userAgent] = call.metadata.get('user-agent');
    this.context = {
      identity: anonymous,
      signal: this.#controller.signal,
      warnings: [],
      ...(userAgent ? { userAgent: userAgent.toString() } : {}),
      ...(auditor?.on ? { auditSource: { uri: path, ip: ipOfPeer(call.getPeer()), auditID: this.id } } : {}),
    };
    if (!outlivesClient) call.once('cancelled', this.#onCancelled);
  }

  abstract refuse(error: unknown): void;

  credentials(): ShownCredentials {
    return shownBy(this.#call);
  }

  seats(_gate: FairGate): number {
    return 1;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  delivered(): Promise<void> | undefined {
    return undefined;
  }

  outcome(failure: unknown): Outcome {
    const error = toAudited(failure);
    return { code: codeOf(error), error };
  }

  measured(ms: number): void {
    this.#call.off('cancelled', this.#onCancelled);
    this.deps.observe?.(this.#call.getPath(), this.code, ms / 1000);
  }

  /** The status of a failure. The details of an unexpected one go only into the log. */
  protected statusOf(error: unknown): StatusError {
    if (!(error instanceof ApiError)) {
      this.deps.log.error({ component: 'grpc', path: this.#call.getPath(), err: error }, 'a call failed');
    }
    const status = toStatusError(error, this.deps.schema);
    this.code = status.code;
    return status;
  }

  readonly #onCancelled = (): void => this.abort(new ApiError('ServiceUnavailable', 'the client has gone'));
}

/** How a unary method takes part in priority and fairness. */
export interface UnaryOptions<Request> {
  /** How many seats a call takes; absent: one. */
  readonly seatsOf?: (gate: FairGate, request: Request) => number;
  /** Its answers may be large: a call keeps its seats until its client has taken the answer. */
  readonly large?: boolean;
}

type UnaryCall = AnyCall & { readonly request: Buffer };

/** A call that has one answer. It is cut off when its client goes or its time is up. */
export class UnaryRequest<Request, Response> extends GrpcRequest {
  readonly cutOff = this.context.signal;
  readonly #call: UnaryCall;
  readonly #callback: sendUnaryData<Response>;
  readonly #decode: (bytes: Buffer) => Request;
  readonly #options: UnaryOptions<Request>;
  #message: Request | undefined;
  #answered = false;

  constructor(
    deps: CallDeps,
    [call, callback]: [UnaryCall, sendUnaryData<Response>],
    decode: (bytes: Buffer) => Request,
    options: UnaryOptions<Request>,
  ) {
    super(deps, call, { longRunning: false });
    this.#call = call;
    this.#callback = callback;
    this.#decode = decode;
    this.#options = options;
  }

  override seats(gate: FairGate): number {
    return this.#options.seatsOf?.(gate, this.message()) ?? super.seats(gate);
  }

  /** Throws BadRequest when it cannot be decoded. */
  message(): Request {
    this.#message ??= this.#decode(this.#call.request);
    return this.#message;
  }

  answer(response: Response): void {
    // The handler of a request that was cut off may still end.
    if (this.#answered) return;
    this.#answered = true;
    this.#callback(null, response, this.#trailer());
  }

  refuse(error: unknown): void {
    this.#answered = true;
    const status = this.statusOf(error);
    if (this.id) status.metadata.set(auditKey, this.id);
    this.#callback(status);
  }

  override delivered(): Promise<void> | undefined {
    if (!this.#options.large || !this.#answered || this.code !== 0) return undefined;
    return this.deps.deliveries?.taken(this.#call.metadata);
  }

  #trailer(): Metadata | undefined {
    const { warnings } = this.context;
    if (!this.id && warnings.length === 0) return undefined;
    const metadata = this.id ? idMetadata(this.id) : new Metadata();
    for (const warning of warnings.slice(0, 16)) {
      metadata.add(warningKey, encodeURIComponent(warning.slice(0, 512)));
    }
    return metadata;
  }
}

type StreamCall = AnyCall & { readonly destroyed: boolean; sendMetadata(metadata: Metadata): void };

/** A call whose answer is a stream. */
export class StreamRequest extends GrpcRequest {
  readonly #call: StreamCall;

  constructor(deps: CallDeps, call: StreamCall, options: Omit<GrpcRequestOptions, 'longRunning'> = {}) {
    super(deps, call, { ...options, longRunning: true });
    this.#call = call;
    if (this.id) call.sendMetadata(idMetadata(this.id));
  }

  /** Throws the reason for which the call was aborted, if it is reported to the client. */
  throwIfAborted(): void {
    const { signal } = this.context;
    if (signal.aborted && isReported(signal.reason)) throw signal.reason;
  }

  refuse(error: unknown): void {
    const { signal } = this.context;
    if (signal.aborted && !isReported(signal.reason)) {
      this.code = status.CANCELLED;
      return;
    }
    const refusal = this.statusOf(signal.aborted ? signal.reason : error);
    if (!this.#call.destroyed) this.#call.emit('error', refusal);
  }
}

/** Whether the reason for which a stream was aborted is reported to the client. */
function isReported(reason: unknown): boolean {
  return isApiError(reason, 'Timeout', 'Unauthorized');
}

function remainingMs(deadline: Deadline, now: number): number {
  return Math.max(0, (deadline instanceof Date ? deadline.getTime() : deadline) - now);
}

function idMetadata(id: string): Metadata {
  const metadata = new Metadata();
  metadata.set(auditKey, id);
  return metadata;
}
