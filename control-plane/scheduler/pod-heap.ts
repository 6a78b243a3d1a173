import type { PodInfo } from '../../shared/scheduling/node-info.ts';

/** A binary heap of pods by priority, then by age. It keeps the position of each, so that any can be removed. */
export class PodHeap<T extends { readonly info: PodInfo }> {
  readonly #pods: T[] = [];
  readonly #positions = new Map<T, number>();

  get size(): number {
    return this.#pods.length;
  }

  push(pod: T): void {
    if (this.#positions.has(pod)) return;
    this.#pods.push(pod);
    this.#up(this.#pods.length - 1);
  }

  pop(): T | undefined {
    const first = this.#pods[0];
    if (first) this.remove(first);
    return first;
  }

  remove(pod: T): void {
    const at = this.#positions.get(pod);
    if (at === undefined) return;
    this.#positions.delete(pod);
    const last = this.#pods.pop();
    if (!last || last === pod) return;
    this.#put(last, at);
    this.#up(at);
    this.#down(at);
  }

  clear(): void {
    this.#pods.length = 0;
    this.#positions.clear();
  }

  #put(pod: T, at: number): void {
    this.#pods[at] = pod;
    this.#positions.set(pod, at);
  }

  #up(from: number): void {
    const pod = this.#pods[from];
    if (!pod) return;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#pods[parent];
      if (!above || !comesBefore(pod.info, above.info)) break;
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
      const rightFirst = left !== undefined && right !== undefined && comesBefore(right.info, left.info);
      const child = rightFirst ? right : left;
      if (!child || !comesBefore(child.info, pod.info)) break;
      this.#put(child, at);
      at = 2 * at + (rightFirst ? 2 : 1);
    }
    this.#put(pod, at);
  }
}

function comesBefore(left: PodInfo, right: PodInfo): boolean {
  if (left.priority !== right.priority) return left.priority > right.priority;
  if (left.created !== right.created) return left.created < right.created;
  return left.key < right.key;
}
