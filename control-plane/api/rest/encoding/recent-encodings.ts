/** The most text or bytes that are kept, in characters or bytes. */
const maxKept = 1024 * 1024;

/**
 * What objects look like on the wire, kept for a moment: a change is told to all its watchers at nearly the same time, so it
 * is encoded once for all that want it in the same form. What is kept is bounded; the oldest goes first.
 */
export class RecentEncodings {
  readonly #kept = new Map<object, Map<string, string | Uint8Array>>();
  #size = 0;

  /** `form`: anything that tells encodings of one object apart. */
  get<T extends string | Uint8Array>(object: object, form: string, encode: () => T): T {
    let forms = this.#kept.get(object);
    const known = forms?.get(form);
    if (known !== undefined) return known as T;
    const made = encode();
    if (!forms) {
      forms = new Map();
      this.#kept.set(object, forms);
    }
    forms.set(form, made);
    this.#size += made.length;
    for (const [oldest, itsForms] of this.#kept) {
      if (this.#size <= maxKept) break;
      for (const encoding of itsForms.values()) this.#size -= encoding.length;
      this.#kept.delete(oldest);
    }
    return made;
  }
}
