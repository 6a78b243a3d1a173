/** The most characters or bytes that are kept. */
const maxKept = 1024 * 1024;

/**
 * Encodings of recent objects: a change reaches all its watchers at nearly the same time, so it is encoded once for all that want
 * the same form. The size is bounded; the oldest encoding is dropped first.
 */
export class RecentEncodings {
  readonly #kept = new Map<object, Map<string, string | Uint8Array>>();
  #size = 0;

  /** `form`: a key that distinguishes the encodings of one object. */
  get<T extends string | Uint8Array>(object: object, form: string, encode: () => T): T {
    let forms = this.#kept.get(object);
    const encoding = forms?.get(form);
    if (encoding !== undefined) return encoding as T;
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
