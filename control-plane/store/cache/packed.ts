import type { KubeObject } from '../../../shared/object.ts';

/**
 * A stored text longer than this (characters) is held as bytes outside of the heap: parsed, it takes up to twelve times as much memory.
 * Pods and other objects that are read often are much shorter.
 */
export const packFrom = 32 * 1024;
/** A member of fewer bytes (about) is kept parsed. */
const lightBytes = 2048;

const packKey = Symbol('pack');

/** The stored JSON of one object. It is parsed when a member is read, and the result kept until the next garbage collection. */
class Pack {
  readonly bytes: Buffer;
  readonly #parse: (text: string) => KubeObject;
  #parsed: WeakRef<KubeObject> | undefined;

  constructor(bytes: Buffer, parse: (text: string) => KubeObject) {
    this.bytes = bytes;
    this.#parse = parse;
  }

  whole(): KubeObject {
    const known = this.#parsed?.deref();
    if (known) return known;
    const read = this.#parse(this.bytes.toString());
    this.#parsed = new WeakRef(read);
    return read;
  }
}

/**
 * An object whose small members are parsed and whose large ones are getters that read its bytes. A copy with `...` is a plain
 * object. Throws what `parse` throws.
 */
export function packed(text: string, revision: number, parse: (text: string) => KubeObject): KubeObject {
  const pack = new Pack(Buffer.from(text), parse);
  const whole = parse(text);
  const metadata = outline(whole.metadata, () => pack.whole().metadata);
  const object = outline(whole, () => pack.whole());
  return finish(pack, object, metadata, revision);
}

/** The object with another resourceVersion; packed if the given one is. */
export function withRevision(object: KubeObject, revision: number): KubeObject {
  const pack = packOf(object);
  if (!pack) return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
  return finish(pack, copy(object), copy(object.metadata), revision);
}

/** The bytes of an object outside of the heap; 0 when it is not packed. */
export function packedBytes(object: object): number {
  return packOf(object)?.bytes.length ?? 0;
}

/**
 * The JSON text of a packed object with its resourceVersion, in parts. Undefined when it is not packed, or its text does not begin as
 * the server's own.
 */
export function packedJson(object: KubeObject): readonly Uint8Array[] | undefined {
  const bytes = packOf(object)?.bytes;
  if (!bytes) return undefined;
  const head = /^\{"apiVersion":"[^"\\]*","kind":"[^"\\]*","metadata":\{(?=")/.exec(bytes.toString('latin1', 0, 512));
  if (!head) return undefined;
  const at = head[0].length;
  return [
    bytes.subarray(0, at),
    Buffer.from(`"resourceVersion":"${object.metadata.resourceVersion}",`),
    bytes.subarray(at),
  ];
}

function packOf(object: object): Pack | undefined {
  return (object as { [packKey]?: Pack })[packKey];
}

function finish(pack: Pack, object: KubeObject, metadata: KubeObject['metadata'], revision: number): KubeObject {
  metadata.resourceVersion = String(revision);
  Object.defineProperty(object, 'metadata', { value: metadata, enumerable: true, configurable: true, writable: true });
  return Object.defineProperty(object, packKey, { value: pack });
}

/** The members of `value` in their order; large ones are getters that read from `whole`. */
function outline<T extends object>(value: T, whole: () => T): T {
  const out = {} as T;
  for (const name of Object.keys(value) as (keyof T)[]) {
    if (fits(value[name], lightBytes)) out[name] = value[name];
    else Object.defineProperty(out, name, { get: () => whole()[name], enumerable: true, configurable: true });
  }
  return out;
}

/** Whether a value's JSON is at most about so many bytes. Parses nothing. */
export function fits(value: unknown, bytes: number): boolean {
  return left(value, bytes) >= 0;
}

/** `bytes` less the size of `value`; ends early when that is negative. */
function left(value: unknown, bytes: number): number {
  if (typeof value === 'string') return bytes - value.length;
  if (typeof value !== 'object' || value === null) return bytes - 8;
  const held = packedBytes(value);
  if (held > 0) return bytes - held;
  let rest = bytes - 16;
  for (const name in value) {
    if (rest < 0) return rest;
    rest = left((value as Record<string, unknown>)[name], rest - name.length - 8);
  }
  return rest;
}

function copy<T extends object>(value: T): T {
  const descriptors: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(value);
  return Object.defineProperties({}, descriptors) as T;
}
