import type { Pod } from '../generated/types.ts';
import { type PodShape, shapeKey, shapeOf } from './pod-shape.ts';

/** One shape object for each key, while pods use it. */
export class ShapeTable {
  readonly #shapes = new Map<string, { readonly shape: PodShape; users: number }>();

  /** To be released once for each call. */
  use(pod: Pod): PodShape {
    const key = shapeKey(pod);
    let entry = this.#shapes.get(key);
    if (!entry) {
      entry = { shape: shapeOf(pod, key), users: 0 };
      this.#shapes.set(key, entry);
    }
    entry.users++;
    return entry.shape;
  }

  /** Returns whether no pod uses the shape any more. */
  release(shape: PodShape): boolean {
    const entry = this.#shapes.get(shape.key);
    if (!entry || --entry.users > 0) return false;
    this.#shapes.delete(shape.key);
    return true;
  }
}
