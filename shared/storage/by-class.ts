import type { PersistentVolume, PersistentVolumeClaim } from '../generated/types.ts';
import { classNameOf } from './claims.ts';

/** Claims or volumes by the storage class that they have, each with its key. */
export class ByClass<T extends PersistentVolumeClaim | PersistentVolume> {
  readonly #classes = new Map<string, Map<string, T>>();
  /** The class under which each key is found. */
  readonly #classOfKey = new Map<string, string>();

  /** `object` undefined: it is no longer one of them. */
  set(key: string, object: T | undefined): void {
    const before = this.#classOfKey.get(key);
    const after = object && classNameOf(object);
    if (before !== undefined && before !== after) this.#remove(key, before);
    if (object === undefined || after === undefined) return;
    this.#classOfKey.set(key, after);
    const objects = this.#classes.get(after);
    if (objects) objects.set(key, object);
    else this.#classes.set(after, new Map([[key, object]]));
  }

  of(storageClass: string): ReadonlyMap<string, T> {
    return this.#classes.get(storageClass) ?? none;
  }

  #remove(key: string, storageClass: string): void {
    this.#classOfKey.delete(key);
    const objects = this.#classes.get(storageClass);
    objects?.delete(key);
    if (objects?.size === 0) this.#classes.delete(storageClass);
  }
}

const none: ReadonlyMap<string, never> = new Map<string, never>();
