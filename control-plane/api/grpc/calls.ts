import type { EventEmitter } from 'node:events';
import {
  type Deadline,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError, isApiError, messageOf } from '../../../shared/errors.ts';
import type { Log } from '../../../shared/log.ts';
import { warningKey } from '../../../shared/rpc/channel.ts';
import type { RpcSchema } from '../../../shared/rpc/schema.ts';
import { type StatusError, toStatusError } from '../../../shared/rpc/status.ts';
import { incomingOf, writeMessage } from '../../../shared/rpc/streams.ts';
import type { RequestContext } from '../api.ts';
import { anonymous } from '../auth/authentication.ts';
import type { AuthenticatedCall, Authenticator } from '../auth/authenticator.ts';
import type { LiveCredentials } from '../auth/live-credentials.ts';
import type { Requester } from '../auth/requester.ts';
import type { Auditor } from '../chain/audit/auditor.ts';
import { auditRefused, type CallContext } from '../chain/audit/calls.ts';
import type { FairGate } from '../chain/fairness/gate.ts';
import type { Deliveries } from './deliveries.ts';

export interface CallDeps {
  readonly authenticator: Pick<Authenticator, 'ofCall'>;
  /** Ends streams with the certificates that they were opened with. Absent: they last. */
  readonly live?: Pick<LiveCredentials, 'follow'>;
  /** Shares the server among its users. Absent: all are let in at once. */
  readonly gate?: FairGate;
  /** Gives calls their ids, and writes of them what is to be written. */
  readonly auditor?: Auditor;
  /** Tells when answers have been taken. Absent: no caller waits for it. */
  readonly deliveries?: Deliveries;
  readonly clock: Clock;
  readonly log: Log;
  readonly schema: Pick<RpcSchema, 'rpcStatus' | 'status'>;
  /** RecordedEvent of every call when it has ended: method path, gRPC code, seconds. For metrics. */
  readonly observe?: (path: string, code: number, seconds: number) => void;
}

/** The longest a unary call may take, whatever deadline its client set. */
const unaryCapMs = 60_000;

/** A method as the server registers it: its requests arrive as bytes and are decoded inside the call. */
export interface Registered {
  readonly definition: ServiceDefinition[string];
  readonly handler: UntypedHandleCall;
}

/** How a unary method takes part in the sharing of the server. */
export interface UnaryOptions<Request> {
  /** How many seats a call takes. */
  readonly widthOf?: (gate: FairGate, request: Request) => number;
  /** Its answers may be large: a call keeps its seats until its client has taken the answer. */
  readonly large?: boolean;
}

/** A call that has one answer. The handler's signal is aborted when the client goes or the time is up. */
export function unary<Request, Response>(
  deps: CallDeps,
  method: MethodDefinition<Request, Response>,
  handle: (context: RequestContext, request: Request) => Promise<Response>,
  { widthOf = () => 1, large = false }: UnaryOptions<Request> = {},
): Registered {
  const handler: handleUnaryCall<Buffer, Response> = (call, callback) => void answer(call, callback);

  async function answer(call: ServerUnaryCall<Buffer, Response>, callback: sendUnaryData<Response>): Promise<void> {
    const scope = openScope(deps, call, unaryCapMs);
    try {
      const request = decode(method, call.request);
      const context = scope.identify();
      const until = large ? () => deps.deliveries?.taken(call.metadata) : undefined;
      const seated = (known: RequestContext): Promise<Response> =>
        carryOut(deps.gate, known, request, handle, widthOf, until);
      const response = await orAborted(
        context instanceof Promise ? context.then(seated) : seated(context),
        scope.context.signal,
      );
      callback(null, response, trailer(scope));
      scope.close(method.path, 0);
    } catch (error) {
      const status = toStatus(deps, method.path, error);
      if (scope.id) status.metadata.set(auditKey, scope.id);
      callback(status);
      await tellRefused(deps, scope.context, error);
      scope.close(method.path, status.code);
    }
  }
  return { definition: asBytes(method), handler };
}

/** One call in its turn. */
async function carryOut<Request, Response>(
  gate: FairGate | undefined,
  context: RequestContext,
  request: Request,
  handle: (context: RequestContext, request: Request) => Promise<Response>,
  widthOf: (gate: FairGate, request: Request) => number,
  until?: () => Promise<void> | undefined,
): Promise<Response> {
  if (!gate) return handle(context, request);
  const entered = gate.enter(context.identity, widthOf(gate, request), () => context.signal);
  const seat = entered instanceof Promise ? await entered : entered;
  let answered = false;
  try {
    const answer = await handle(context, request);
    answered = true;
    return answer;
  } finally {
    const taken = answered ? until?.() : undefined;
    if (taken) void taken.finally(() => gate.leave(seat));
    else gate.leave(seat);
  }
}

/** A call whose answer is a stream. It ends when the handler's iterable does; what the client does not take is not asked for. */
export function serverStream<Request, Response>(
  deps: CallDeps,
  method: MethodDefinition<Request, Response>,
  handle: (context: RequestContext, request: Request) => AsyncIterable<Response>,
): Registered {
  const handler: handleServerStreamingCall<Buffer, Response> = (call) =>
    void answerStream(deps, method.path, call, (context) => handle(context, decode(method, call.request)));
  return { definition: asBytes(method), handler };
}

/** The same with a stream of requests, which are taken as the handler asks for them. */
export function duplexStream<Request, Response>(
  deps: CallDeps,
  method: MethodDefinition<Request, Response>,
  handle: (context: RequestContext, requests: AsyncIterable<Request>) => AsyncIterable<Response>,
): Registered {
  const handler: handleBidiStreamingCall<Buffer, Response> = (call) => {
    const requests = decoded(method, incomingOf<Buffer>(call));
    void answerStream(deps, method.path, call, (context) => handle(context, requests));
  };
  return { definition: asBytes(method), handler };
}

async function answerStream<Response>(
  deps: CallDeps,
  path: string,
  call: ServerWritableStream<Buffer, Response> | ServerDuplexStream<Buffer, Response>,
  handle: (context: RequestContext) => AsyncIterable<Response>,
): Promise<void> {
  const scope = openScope(deps, call);
  const { signal } = scope.context;
  if (scope.id) call.sendMetadata(idMetadata(scope.id));
  let code = 0;
  let stream: { close(): void } | undefined;
  try {
    const context = await scope.identify();
    scope.follow(context);
    if (deps.gate) {
      // It waits for its turn as all do; after that it costs as much as its client takes.
      deps.gate.leave(await deps.gate.enter(context.identity, 1, () => signal));
      stream = deps.gate.openStream(context.identity);
    }
    for await (const message of handle(context)) {
      if (signal.aborted) break;
      await writeMessage(call, message);
    }
    if (signal.aborted && isTold(signal.reason)) throw signal.reason;
    if (!call.destroyed) call.end();
  } catch (error) {
    if (signal.aborted && !isTold(signal.reason)) {
      code = 1;
    } else {
      const status = toStatus(deps, path, signal.aborted ? signal.reason : error);
      code = status.code;
      call.emit('error', status);
      await tellRefused(deps, scope.context, error);
    }
  } finally {
    stream?.close();
    scope.close(path, code);
  }
}

async function* decoded<Request>(
  method: Pick<MethodDefinition<Request, unknown>, 'requestDeserialize'>,
  requests: AsyncIterable<Buffer>,
): AsyncGenerator<Request> {
  for await (const request of requests) yield decode(method, request);
}

/** The error that the client is sent. Of what is no ApiError only the log learns more. */
export function toStatus(deps: Pick<CallDeps, 'log' | 'schema'>, path: string, error: unknown): StatusError {
  if (!(error instanceof ApiError)) deps.log.error({ component: 'grpc', path, err: error }, 'a call failed');
  return toStatusError(error, deps.schema);
}

/** A call that was refused before it came to anybody who would have told of it. */
export async function tellRefused(
  { auditor, log }: Pick<CallDeps, 'auditor' | 'log'>,
  context: CallContext,
  error: unknown,
): Promise<void> {
  if (!auditor?.on) return;
  try {
    await auditRefused(auditor, context, error);
  } catch (cause) {
    log.error({ component: 'grpc', err: messageOf(cause) }, 'a refused call could not be audited');
  }
}

/** The context of a call of which it is known who makes it. */
type Known = RequestContext & Requester;

interface Scope {
  /** Nobody's, until it has been identified. */
  readonly context: RequestContext;
  /** What the call is called in the audit log. */
  readonly id: string | undefined;
  /** Finds out who calls; at once, where no token has to be looked at. */
  identify(): Known | Promise<Known>;
  /** From here on the call ends with the credential of the one who calls. */
  follow(known: Known): void;
  close(path: string, code: number): void;
}

type AnyCall = EventEmitter & AuthenticatedCall & { getDeadline(): Deadline; getPeer(): string; getPath(): string };

/** A request's context; its timer and its listener are gone once it is closed. */
function openScope({ authenticator, clock, observe, auditor, live }: CallDeps, call: AnyCall, capMs?: number): Scope {
  const abort = new AbortController();
  const started = clock.monotonic();
  const ms = Math.min(remaining(call.getDeadline(), clock.now()), capMs ?? Number.POSITIVE_INFINITY);
  const timer = Number.isFinite(ms)
    ? clock.timer(ms, () => abort.abort(new ApiError('Timeout', 'the request did not complete within its deadline')))
    : undefined;
  let unfollow: (() => void) | undefined;
  const onCancelled = (): void => abort.abort(new ApiError('ServiceUnavailable', 'the client has gone'));
  call.once('cancelled', onCancelled);
  const [userAgent] = call.metadata.get('user-agent');
  const id = callId(auditor, call);
  const context: RequestContext = {
    identity: anonymous,
    signal: abort.signal,
    warnings: [],
    ...(userAgent ? { userAgent: userAgent.toString() } : {}),
    ...(auditor?.on ? { call: { path: call.getPath(), peer: call.getPeer(), id } } : {}),
  };
  return {
    ...{ context, id },
    identify() {
      const who = authenticator.ofCall(call);
      return who instanceof Promise ? who.then((known) => Object.assign(context, known)) : Object.assign(context, who);
    },
    follow({ credential }) {
      unfollow = live?.follow(credential, (error) => abort.abort(error));
    },
    close(path, code) {
      timer?.cancel();
      unfollow?.();
      call.off('cancelled', onCancelled);
      observe?.(path, code, (clock.monotonic() - started) / 1000);
    },
  };
}

function remaining(deadline: Deadline, now: number): number {
  return Math.max(0, (deadline instanceof Date ? deadline.getTime() : deadline) - now);
}

/** Whether a client that is still there is to learn why its stream has ended. */
function isTold(reason: unknown): boolean {
  return isApiError(reason, 'Timeout', 'Unauthorized');
}

/** The answer, or the signal's reason when that comes first: a handler that hangs holds no call beyond its time. */
function orAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function decode<Request>(
  method: Pick<MethodDefinition<Request, unknown>, 'requestDeserialize'>,
  bytes: Buffer,
): Request {
  try {
    return method.requestDeserialize(bytes);
  } catch (cause) {
    if (cause instanceof ApiError) throw cause;
    throw new ApiError('BadRequest', 'the request is not a message of its type', {}, { cause });
  }
}

function asBytes(method: ServiceDefinition[string]): ServiceDefinition[string] {
  return { ...method, requestDeserialize: (bytes: Buffer) => bytes };
}

/** Metadata in which a call's id comes and goes: Kubernetes' header. */
const auditKey = 'audit-id';

/** The id that the client gave its call, or a new one. */
export function callId(auditor: Auditor | undefined, { metadata }: Pick<AuthenticatedCall, 'metadata'>) {
  return auditor?.idOf(metadata.get(auditKey)[0]?.toString());
}

/** What a stream is answered with at its beginning. */
export function idMetadata(id: string): Metadata {
  const metadata = new Metadata();
  metadata.set(auditKey, id);
  return metadata;
}

/** A unary call's answer is one: its id goes where its warnings do. */
function trailer({ context, id }: Scope): Metadata | undefined {
  if (!id && context.warnings.length === 0) return undefined;
  const metadata = id ? idMetadata(id) : new Metadata();
  for (const warning of context.warnings.slice(0, 16))
    metadata.add(warningKey, encodeURIComponent(warning.slice(0, 512)));
  return metadata;
}
