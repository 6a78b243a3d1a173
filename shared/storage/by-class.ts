/** Names of objects by the storage class that they have. */
export class ByClass {
  readonly #classes = new Map<string, string>();
  readonly #names = new Map<string, Set<string>>();

  /** `storageClass` undefined: the object is no longer one of them. */
  set(name: string, storageClass: string | undefined): void {
    const before = this.#classes.get(name);
    if (before === storageClass) return;
    if (before !== undefined) this.#remove(name, before);
    if (storageClass === undefined) {
      this.#classes.delete(name);
      return;
    }
    this.#classes.set(name, storageClass);
    const names = this.#names.get(storageClass);
    if (names) names.add(name);
    else this.#names.set(storageClass, new Set([name]));
  }

  of(storageClass: string): Iterable<string> {
    return this.#names.get(storageClass) ?? [];
  }

  #remove(name: string, storageClass: string): void {
    const names = this.#names.get(storageClass);
    names?.delete(name);
    if (names?.size === 0) this.#names.delete(storageClass);
  }
}
