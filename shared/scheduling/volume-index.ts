import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../generated/types.ts';
import { keyOf } from '../object.ts';
import { ByClass } from '../storage/by-class.ts';
import { isOpen } from '../storage/matching.ts';
import type { PodShape } from './pod-shape.ts';

/** What plugins may read of claims and volumes. */
export interface Volumes {
  /** By `namespace/name`. */
  claim(key: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  storageClass(name: string): StorageClass | undefined;
  /** The volumes of the class that have no bound claim. */
  open(className: string): Iterable<PersistentVolume>;
  /** How many pods that are, or are assumed to be, on nodes mount the claim. */
  users(key: string): number;
}

/** Claims, volumes and classes, and which claims are mounted; updated in place. */
export class VolumeIndex implements Volumes {
  readonly #claims = new Map<string, PersistentVolumeClaim>();
  readonly #volumes = new Map<string, PersistentVolume>();
  readonly #classes = new Map<string, StorageClass>();
  readonly #open = new ByClass<PersistentVolume>();
  readonly #users = new Map<string, number>();

  setClaim(key: string, claim: PersistentVolumeClaim | undefined): void {
    put(this.#claims, key, claim);
  }

  setVolume(name: string, volume: PersistentVolume | undefined): void {
    put(this.#volumes, name, volume);
    this.#open.set(name, volume && isOpen(volume) ? volume : undefined);
  }

  setStorageClass(name: string, storageClass: StorageClass | undefined): void {
    put(this.#classes, name, storageClass);
  }

  /** Counts a pod of the shape, or no longer. */
  use({ namespace, spec: { claims = [] } }: PodShape, sign: 1 | -1): void {
    for (const name of claims) {
      const key = claimKey(namespace, name);
      const count = this.users(key) + sign;
      if (count > 0) this.#users.set(key, count);
      else this.#users.delete(key);
    }
  }

  claim(key: string): PersistentVolumeClaim | undefined {
    return this.#claims.get(key);
  }

  volume(name: string): PersistentVolume | undefined {
    return this.#volumes.get(name);
  }

  storageClass(name: string): StorageClass | undefined {
    return this.#classes.get(name);
  }

  open(className: string): Iterable<PersistentVolume> {
    return this.#open.of(className).values();
  }

  users(key: string): number {
    return this.#users.get(key) ?? 0;
  }
}

export function claimKey(namespace: string, name: string): string {
  return keyOf({ metadata: { name, namespace } });
}

function put<T>(map: Map<string, T>, key: string, value: T | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
