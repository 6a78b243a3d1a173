import type { Client } from '../../shared/client.ts';
import { ignoring } from '../../shared/errors.ts';
import type { Kind, ObjectMeta } from '../../shared/generated/types.ts';

interface Finalized {
  readonly metadata: ObjectMeta;
}

/** Does nothing to an object that is gone. Rejects with Conflict if it has changed since. */
export function addFinalizer(client: Client, kind: Kind, { metadata }: Finalized, finalizer: string): Promise<void> {
  return writeFinalizers(client, kind, metadata, [...(metadata.finalizers ?? []), finalizer]);
}

/** Does nothing to an object that is gone. Rejects with Conflict if it has changed since. */
export function removeFinalizer(client: Client, kind: Kind, { metadata }: Finalized, finalizer: string): Promise<void> {
  const others = metadata.finalizers?.filter((one) => one !== finalizer) ?? [];
  return writeFinalizers(client, kind, metadata, others);
}

async function writeFinalizers(
  client: Client,
  kind: Kind,
  { name, namespace, resourceVersion }: ObjectMeta,
  finalizers: readonly string[],
): Promise<void> {
  const body = { metadata: { resourceVersion, finalizers } };
  await client.patch(kind, name, { type: 'merge', body }, { namespace }).catch(ignoring('NotFound'));
}
