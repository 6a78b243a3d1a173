import {
  type Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from '@grpc/grpc-js';
import type { Clock } from '../../../shared/clock.ts';

/** A call whose client has not taken the answer by then is cut off. */
const takenWithinMs = 60_000;

interface Delivery {
  readonly done: Promise<void>;
  cut(): void;
}

/** The part of an HTTP/2 stream that is used here; grpc-js has it, but does not export it. */
interface Stream {
  once(event: 'close', listener: () => void): unknown;
  destroy(): unknown;
}

/**
 * Says when a client has taken an answer, which stays in memory until then. grpc-js sends the status of a call when its message has
 * been sent.
 */
export class Deliveries {
  readonly #clock: Clock;
  readonly #withinMs: number;
  /** By the metadata of their calls: the only object that handlers and interceptors share. */
  readonly #open = new WeakMap<Metadata, Delivery>();

  constructor(clock: Clock, withinMs = takenWithinMs) {
    this.#clock = clock;
    this.#withinMs = withinMs;
  }

  /** For the server's options. */
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

  /** Resolves when the client has taken the answer of a call, or the call has ended. */
  async taken(metadata: Metadata): Promise<void> {
    const delivery = this.#open.get(metadata);
    if (!delivery) return;
    const late = this.#clock.timer(this.#withinMs, () => delivery.cut());
    await delivery.done;
    late.cancel();
  }
}
