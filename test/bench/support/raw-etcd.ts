import type { Etcd3 } from 'etcd3';
import { createEtcdClient } from '../../../control-plane/store/etcd/client.ts';
import type { BenchContext } from './bench.ts';
import type { LoadResult } from './rest.ts';

/** What every create comes down to, with nothing around it: puts into etcd, each guarded by its key not being there. */
export class RawEtcd {
  readonly #client: Etcd3;
  #round = 0;

  constructor(context: BenchContext, endpoint: string) {
    this.#client = createEtcdClient([endpoint]);
    context.defer(() => this.#client.close());
  }

  /** The size of a stored value, in bytes. */
  async sizeOf(key: string): Promise<number> {
    const value = await this.#client.get(key).buffer();
    if (!value) throw new Error(`there is no ${key} in etcd`);
    return value.length;
  }

  async putAll(count: number, valueBytes: number, parallel: number): Promise<LoadResult> {
    // Outside of what the server watches.
    const prefix = `/bench/registry/pods/default/round-${this.#round++}-`;
    const value = Buffer.alloc(valueBytes, 'x');
    const latencies: number[] = new Array(count).fill(0);
    let next = 0;
    const began = performance.now();
    const worker = async (): Promise<void> => {
      for (let i = next++; i < count; i = next++) {
        const key = prefix + i;
        const sent = performance.now();
        const { succeeded } = await this.#client
          .if(key, 'Mod', '==', 0)
          .then(this.#client.put(key).value(value))
          .commit();
        if (!succeeded) throw new Error(`${key} was there`);
        latencies[i] = performance.now() - sent;
      }
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    return { seconds: (performance.now() - began) / 1000, latencies };
  }
}
