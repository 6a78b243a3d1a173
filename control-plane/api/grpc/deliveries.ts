import {
  type Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from '@grpc/grpc-js';
import type { Clock } from '../../../shared/clock.ts';

/** A client that has not taken an answer by then is cut off. */
const takenWithinMs = 60_000;

interface Delivery {
  readonly done: Promise<void>;
  cut(): void;
}

/** As much of an HTTP/2 stream as is needed here; grpc-js has it, but does not export it. */
interface Stream {
  once(event: 'close', listener: () => void): unknown;
  destroy(): unknown;
}

/**
 * Tells when the client has taken an answer: until then it stands in memory, whatever the client's window. grpc-js sends the
 * status of a call when its message has left.
 */
export class Deliveries {
  readonly #clock: Clock;
  readonly #withinMs: number;
  /** By the metadata of their calls, which is all that handlers and interceptors have in common. */
  readonly #open = new WeakMap<Metadata, Delivery>();

  constructor(clock: Clock, withinMs = takenWithinMs) {
    this.#clock = clock;
    this.#withinMs = withinMs;
  }

  /** To be given to the server. */
  readonly interceptor: ServerInterceptor = (method, call) => {
    if (method.responseStream) return new ServerInterceptingCall(call);
    const { stream } = call as unknown as { readonly stream?: Stream };
    let settle: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      settle = resolve;
    });
    stream?.once('close', settle);
    const delivery: Delivery = { done, cut: () => void stream?.destroy() };
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        this.#open.set(metadata, delivery);
        next(metadata);
      })
      .build();
    const responder = new ResponderBuilder()
      .withStart((next) => next(listener))
      .withSendStatus((status, next) => {
        settle();
        next(status);
      })
      .build();
    return new ServerInterceptingCall(call, responder);
  };

  /** Resolves when the answer to a call has been taken, or can no longer be. */
  async taken(metadata: Metadata): Promise<void> {
    const delivery = this.#open.get(metadata);
    if (!delivery) return;
    const late = this.#clock.timer(this.#withinMs, () => delivery.cut());
    await delivery.done;
    late.cancel();
  }
}
