import { Duplex } from 'node:stream';
import type { Etcd3 } from 'etcd3';

/** A gRPC failure as grpc-js throws it. */
export function grpcError(code: number, message: string): Error {
  return Object.assign(new Error(message), { code });
}

export const unavailable = (): Error => grpcError(14, '14 UNAVAILABLE: Connection dropped');
export const neverSent = (): Error => grpcError(14, '14 UNAVAILABLE: No connection established. Last error: refused');
export const cancelled = (): Error => grpcError(1, '1 CANCELLED: Cancelled on client');

/** One stream of a fake etcd: what was written to it, and what the test lets it say. */
export class FakeStream<Request = Record<string, unknown>> extends Duplex {
  readonly written: Request[] = [];
  cancels = 0;

  constructor() {
    super({ objectMode: true });
  }

  say(response: object): void {
    this.push(response);
  }

  finish(): void {
    this.push(null);
  }

  break(error: Error = unavailable()): void {
    this.destroy(error);
  }

  cancel(): void {
    this.cancels++;
    this.destroy(cancelled());
  }

  override _read(): void {
    // The test pushes.
  }

  override _write(request: Request, _encoding: string, done: () => void): void {
    this.written.push(request);
    done();
  }
}

export type Answer = (request: Record<string, unknown>, options: { deadline: number }) => object | Promise<object>;

/** The calls that EtcdStore and its neighbours make of the etcd3 package's client, answered by the test. */
export class FakeEtcd {
  /** By the method's name: `range`, `txn`, `compact`, `leaseGrant`, `status`, … A call without an answer is refused. */
  readonly answers: Record<string, Answer> = {};
  /** The calls in their order. */
  readonly calls: { readonly name: string; readonly request: Record<string, unknown>; readonly deadline: number }[] =
    [];
  readonly watches: FakeStream<{ create_request: Record<string, unknown> }>[] = [];
  readonly keepalives: FakeStream<{ ID: string }>[] = [];
  /** When set, new streams fail. */
  refusal: Error | undefined;
  closed = 0;

  named(name: string) {
    return this.calls.filter((call) => call.name === name);
  }

  /** As the code under test sees it. */
  get client(): Etcd3 {
    const call =
      (name: string) =>
      async (request: Record<string, unknown> = {}, options?: { deadline: number }): Promise<object> => {
        const given = options ?? (request as unknown as { deadline: number });
        this.calls.push({ name, request, deadline: given.deadline });
        const answer = this.answers[name];
        if (!answer) throw unavailable();
        return answer(request, given);
      };
    const stream = async <T>(all: FakeStream<T>[]): Promise<FakeStream<T>> => {
      if (this.refusal) throw this.refusal;
      const opened = new FakeStream<T>();
      all.push(opened);
      return opened;
    };
    return {
      kv: { range: call('range'), txn: call('txn'), compact: call('compact') },
      leaseClient: {
        leaseGrant: call('leaseGrant'),
        leaseRevoke: call('leaseRevoke'),
        leaseKeepAlive: () => stream(this.keepalives),
      },
      watchClient: { watch: () => stream(this.watches) },
      maintenance: { alarm: call('alarm'), status: call('status'), defragment: call('defragment') },
      close: () => {
        this.closed++;
      },
    } as unknown as Etcd3;
  }
}

export const header = (revision: number) => ({ revision: `${revision}` });

/** A key with its value, as etcd answers it. */
export function keyValue(key: string, value: string, revision: number, created = revision): object {
  return {
    key: Buffer.from(key),
    value: Buffer.from(value),
    mod_revision: `${revision}`,
    create_revision: `${created}`,
  };
}
