import { objectKey } from '../../store/keys.ts';
import type { WriteCore } from '../requests/write-core.ts';
import type { Needed, Reader } from './plugin.ts';

/** The cache, and what the store has of the objects that the cache does not show. */
export async function readerWith(core: WriteCore, missing: readonly Needed[]): Promise<Reader> {
  const { reader } = core.admission;
  const found = await Promise.all(
    missing.map(async ({ kind, name, namespace }) => {
      const state = await core.fresh(objectKey(core.kind(kind), namespace, name));
      return { kind, name, namespace, object: state?.object };
    }),
  );
  const get = (kind: string, name: string, namespace: string | undefined) =>
    found.find((one) => one.kind === kind && one.name === name && one.namespace === namespace)?.object;
  return {
    ...reader,
    get: (kind, name, namespace) => reader.get(kind, name, namespace) ?? (get(kind, name, namespace) as never),
  };
}
