import type { QueuedPod } from './queue.ts';

/** Pods by priority, then by age: a binary heap that knows where each pod is, so that any can be taken out. */
export class PodHeap {
  readonly #pods: QueuedPod[] = [];
  readonly #places = new Map<QueuedPod, number>();

  get size(): number {
    return this.#pods.length;
  }

  push(pod: QueuedPod): void {
    if (this.#places.has(pod)) return;
    this.#pods.push(pod);
    this.#up(this.#pods.length - 1);
  }

  pop(): QueuedPod | undefined {
    const first = this.#pods[0];
    if (first) this.remove(first);
    return first;
  }

  remove(pod: QueuedPod): void {
    const at = this.#places.get(pod);
    if (at === undefined) return;
    this.#places.delete(pod);
    const last = this.#pods.pop();
    if (!last || last === pod) return;
    this.#put(last, at);
    this.#up(at);
    this.#down(at);
  }

  clear(): void {
    this.#pods.length = 0;
    this.#places.clear();
  }

  #put(pod: QueuedPod, at: number): void {
    this.#pods[at] = pod;
    this.#places.set(pod, at);
  }

  #up(from: number): void {
    const pod = this.#pods[from];
    if (!pod) return;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#pods[parent];
      if (!above || !comesBefore(pod, above)) break;
      this.#put(above, at);
      at = parent;
    }
    this.#put(pod, at);
  }

  #down(from: number): void {
    const pod = this.#pods[from];
    if (!pod) return;
    let at = from;
    for (;;) {
      const [left, right] = [this.#pods[2 * at + 1], this.#pods[2 * at + 2]];
      const rightFirst = left !== undefined && right !== undefined && comesBefore(right, left);
      const child = rightFirst ? right : left;
      if (!child || !comesBefore(child, pod)) break;
      this.#put(child, at);
      at = 2 * at + (rightFirst ? 2 : 1);
    }
    this.#put(pod, at);
  }
}

function comesBefore(a: QueuedPod, b: QueuedPod): boolean {
  const [left, right] = [a.entry, b.entry];
  if (left.priority !== right.priority) return left.priority > right.priority;
  if (left.created !== right.created) return left.created < right.created;
  return left.key < right.key;
}
