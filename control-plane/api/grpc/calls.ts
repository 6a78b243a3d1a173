import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  MethodDefinition,
  ServerDuplexStream,
  ServerWritableStream,
  ServiceDefinition,
  UntypedHandleCall,
} from '@grpc/grpc-js';
import { ApiError } from '../../../shared/errors.ts';
import { incomingOf, writeMessage } from '../../../shared/rpc/streams.ts';
import type { RequestContext } from '../api.ts';
import { type CallDeps, StreamRequest, type UnaryOptions, UnaryRequest } from './request.ts';

/** A method as the server registers it: its requests arrive as bytes and are decoded inside the call. */
export interface Registered {
  readonly definition: ServiceDefinition[string];
  readonly handler: UntypedHandleCall;
}

/** A method that has one answer. The handler's signal is aborted when the client goes or the time is up. */
export function unary<Request, Response>(
  deps: CallDeps,
  method: MethodDefinition<Request, Response>,
  handle: (context: RequestContext, request: Request) => Promise<Response>,
  options: UnaryOptions<Request> = {},
): Registered {
  const decodeRequest = (bytes: Buffer): Request => decode(method, bytes);
  const handler: handleUnaryCall<Buffer, Response> = (call, callback) => {
    const request = new UnaryRequest(deps, [call, callback], decodeRequest, options);
    void deps.chain.serve(request, async () => request.answer(await handle(request.context, request.message())));
  };
  return { definition: asBytes(method), handler };
}

/** A method whose answer is a stream. It ends when the handler's iterable does, which is read only as fast as the client takes it. */
export function serverStream<Request, Response>(
  deps: CallDeps,
  method: MethodDefinition<Request, Response>,
  handle: (context: RequestContext, request: Request) => AsyncIterable<Response>,
): Registered {
  const handler: handleServerStreamingCall<Buffer, Response> = (call) =>
    void answerStream(deps, call, (context) => handle(context, decode(method, call.request)));
  return { definition: asBytes(method), handler };
}

/** The same with a stream of requests, which are read as the handler asks for them. */
export function duplexStream<Request, Response>(
  deps: CallDeps,
  method: MethodDefinition<Request, Response>,
  handle: (context: RequestContext, requests: AsyncIterable<Request>) => AsyncIterable<Response>,
): Registered {
  const handler: handleBidiStreamingCall<Buffer, Response> = (call) => {
    const requests = decoded(method, incomingOf<Buffer>(call));
    void answerStream(deps, call, (context) => handle(context, requests));
  };
  return { definition: asBytes(method), handler };
}

function answerStream<Response>(
  deps: CallDeps,
  call: ServerWritableStream<Buffer, Response> | ServerDuplexStream<Buffer, Response>,
  handle: (context: RequestContext) => AsyncIterable<Response>,
): Promise<void> {
  const request = new StreamRequest(deps, call);
  const { context } = request;
  return deps.chain.serve(request, async () => {
    for await (const message of handle(context)) {
      if (context.signal.aborted) break;
      await writeMessage(call, message);
    }
    request.throwIfAborted();
    if (!call.destroyed) call.end();
  });
}

async function* decoded<Request>(
  method: Pick<MethodDefinition<Request, unknown>, 'requestDeserialize'>,
  requests: AsyncIterable<Buffer>,
): AsyncGenerator<Request> {
  for await (const request of requests) yield decode(method, request);
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
