import { parseKey } from '../../control-plane/store/keys.ts';
import type { StoreBatch } from '../../control-plane/store/store.ts';
import type { Node, Pod } from '../../shared/generated/types.ts';
import { isPodTerminal, podRequests } from '../../shared/pod.ts';
import { milliValue } from '../../shared/quantity.ts';

/** Watches every revision of the store, and throws (keeps) the first promise that was broken. */
export class Invariants {
  readonly broken: string[] = [];
  readonly #pods = new Map<string, Pod>();
  readonly #nodes = new Map<string, Node>();
  /** uid → the node it was bound to; a pod is bound once. */
  readonly #bound = new Map<string, string>();

  /** How many pods were ever bound. */
  get placed(): number {
    return this.#bound.size;
  }

  /** Everything that is stored right now. */
  get pods(): IterableIterator<Pod> {
    return this.#pods.values();
  }

  get nodes(): IterableIterator<Node> {
    return this.#nodes.values();
  }

  readonly observe = (batch: StoreBatch): void => {
    for (const event of batch.events) {
      const key = event.type === 'put' ? event.item.key : event.key;
      const parsed = parseKey(key);
      if (parsed?.entry.kind === 'Pod')
        this.#pod(parsed.key, event.type === 'put' ? JSON.parse(event.item.value) : undefined);
      if (parsed?.entry.kind === 'Node') {
        if (event.type === 'put') this.#nodes.set(parsed.key, JSON.parse(event.item.value) as Node);
        else this.#nodes.delete(parsed.key);
      }
    }
    // Within one revision pods may come and go; it is the whole revision that must hold.
    this.#checkCommitments(batch.revision);
    this.#checkAddresses(batch.revision);
  };

  #pod(key: string, pod: Pod | undefined): void {
    if (!pod) {
      this.#pods.delete(key);
      return;
    }
    this.#pods.set(key, pod);
    const { nodeName } = pod.spec;
    const before = this.#bound.get(pod.metadata.uid);
    if (before !== undefined && before !== nodeName) {
      this.broken.push(`pod ${key} was bound to ${before}, and then to ${nodeName ?? 'none'}`);
    }
    if (nodeName) this.#bound.set(pod.metadata.uid, nodeName);
  }

  #checkCommitments(revision: number): void {
    const used = new Map<string, number>();
    for (const pod of this.#pods.values()) {
      const { nodeName } = pod.spec;
      if (!nodeName || isPodTerminal(pod)) continue;
      used.set(nodeName, (used.get(nodeName) ?? 0) + podRequests(pod.spec).cpuMillis);
    }
    for (const [name, millis] of used) {
      const allocatable = this.#nodes.get(name)?.status?.allocatable?.cpu;
      if (allocatable !== undefined && millis > milliValue(allocatable)) {
        this.broken.push(`node ${name} is overcommitted at revision ${revision}: ${millis}m of ${allocatable}`);
      }
    }
  }

  #checkAddresses(revision: number): void {
    const owners = new Map<string, string>();
    for (const [key, pod] of this.#pods) {
      const address = pod.status?.podIP;
      if (!address || isPodTerminal(pod)) continue;
      const other = owners.get(address);
      if (other) this.broken.push(`${key} and ${other} both have ${address} at revision ${revision}`);
      owners.set(address, key);
    }
  }
}
