import type { Client } from '../../shared/client.ts';
import { isApiError } from '../../shared/errors.ts';
import type { KubeObject } from '../../shared/object.ts';
import { UsageError } from '../io.ts';
import { kindNameOf } from '../resources.ts';
import type { Manifest } from './manifests.ts';
import { threeWayPatch } from './three-way-patch.ts';

/** What came of one manifest. */
export type Applied = 'created' | 'configured' | 'unchanged' | 'serverside-applied';

/** Where the manifest applied last is kept, on the object itself: kubectl's own annotation, so that both can be used. */
export const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

const manager = 'coracle-apply';

/** Makes the object, or brings what is there to what the manifest says. */
export async function applyManifest(
  client: Pick<Client, 'get' | 'create' | 'patch'>,
  { def, object }: Manifest,
  namespace: string | undefined,
  dryRun: boolean,
): Promise<Applied> {
  const kind = kindNameOf(def);
  const place = def.namespaced ? namespace : undefined;
  const wanted = annotated({ ...object, metadata: { ...object.metadata, ...(place ? { namespace: place } : {}) } });
  const { name } = wanted.metadata;
  const options = { dryRun, fieldManager: manager };
  const present = name ? await presentObject(client, kind, name, place) : undefined;
  if (!present) {
    try {
      await client.create(kind, wanted as never, options);
      return 'created';
    } catch (error) {
      // Somebody else was faster: then it is there to be patched.
      if (!name || !isApiError(error, 'AlreadyExists')) throw error;
      return applyManifest(client, { def, object, source: '' }, namespace, dryRun);
    }
  }
  const patch = threeWayPatch(appliedBefore(present), fields(wanted), fields(present), def.message);
  if (!patch) return 'unchanged';
  const after = await client.patch(kind, name, { type: 'strategic', body: patch }, { ...options, namespace: place });
  return after.metadata.resourceVersion === present.metadata.resourceVersion && !dryRun ? 'unchanged' : 'configured';
}

/** The same by the server: it merges, knows who owns which field, and refuses to change what others own unless `force`d. */
export async function applyOnServer(
  client: Pick<Client, 'patch'>,
  { def, object }: Manifest,
  namespace: string | undefined,
  options: { readonly fieldManager: string; readonly force: boolean; readonly dryRun: boolean },
): Promise<Applied> {
  const place = def.namespaced ? namespace : undefined;
  const { name } = object.metadata;
  if (!name) throw new UsageError(`metadata.name is needed to apply a ${def.kind} on the server`);
  const body = { ...object, metadata: { ...object.metadata, ...(place ? { namespace: place } : {}) } };
  await client.patch(kindNameOf(def), name, { type: 'apply', body }, { ...options, namespace: place });
  return 'serverside-applied';
}

async function presentObject(
  client: Pick<Client, 'get'>,
  kind: Parameters<Client['get']>[0],
  name: string,
  namespace: string | undefined,
): Promise<KubeObject | undefined> {
  try {
    return await client.get(kind, name, namespace);
  } catch (error) {
    if (isApiError(error, 'NotFound')) return undefined;
    throw error;
  }
}

function annotated(object: KubeObject): KubeObject {
  const { [lastApplied]: _own, ...annotations } = object.metadata.annotations ?? {};
  const { status: _status, ...rest } = object;
  const bare = { ...rest, metadata: { ...object.metadata, annotations } };
  return {
    ...bare,
    metadata: { ...bare.metadata, annotations: { ...annotations, [lastApplied]: `${JSON.stringify(bare)}\n` } },
  };
}

function appliedBefore(present: KubeObject): Record<string, unknown> | undefined {
  const text = present.metadata.annotations?.[lastApplied];
  if (!text) return undefined;
  try {
    return fields(JSON.parse(text) as KubeObject);
  } catch {
    // Not ours to mend: without it the patch only adds and changes, and removes nothing.
    return undefined;
  }
}

/** What a manifest can set: all but the type and the status. */
function fields(object: KubeObject): Record<string, unknown> {
  const { apiVersion: _version, kind: _kind, status: _status, ...rest } = object;
  return rest;
}
