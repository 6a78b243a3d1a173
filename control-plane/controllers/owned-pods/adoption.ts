import type { Client } from '../../../shared/client.ts';
import { ignoring } from '../../../shared/errors.ts';
import type { Kind } from '../../../shared/generated/types.ts';
import type { KubeObject } from '../../../shared/object.ts';

/**
 * Whether an owner may adopt, asked of the API and not of the informers, which may be behind: what is given to an owner that is
 * gone, or to one whose name another has now, would be collected.
 */
export async function mayAdopt(client: Pick<Client, 'get'>, kind: Kind, { metadata }: KubeObject): Promise<boolean> {
  if (metadata.deletionTimestamp) return false;
  const there: KubeObject | undefined = await client
    .get(kind, metadata.name, metadata.namespace)
    .catch(ignoring('NotFound'));
  return there?.metadata.uid === metadata.uid && !there.metadata.deletionTimestamp;
}
