import type { Client } from '../../shared/client.ts';
import { isApiError } from '../../shared/errors.ts';
import type { KubeObject } from '../../shared/object.ts';
import { UsageError } from '../io.ts';
import { kindNameOf } from '../resources.ts';
import type { Manifest } from './manifests.ts';
import { threeWayPatch } from './three-way-patch.ts';

/** The result of one manifest. */
export type Applied = 'created' | 'configured' | 'unchanged' | 'serverside-applied';

/** The annotation with the manifest that was applied last; the same as kubectl's, so that both can be used. */
export const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

const manager = 'coracle-apply';

/** Creates the object, or patches the live one to the manifest. */
export async function applyManifest(
  client: Pick<Client, 'get' | 'create' | 'patch'>,
  { def, object }: Manifest,
  namespace: string | undefined,
  dryRun: boolean,
): Promise<Applied> {
  const kind = kindNameOf(def);
  const into = def.namespaced ? namespace : undefined;
  const wanted = annotated({ ...object, metadata: { ...object.metadata, ...(into ? { namespace: into } : {}) } });
  const { name } = wanted.metadata;
  const options = { dryRun, fieldManager: manager };
  const live = name ? await liveObject(client, kind, name, into) : undefined;
  if (!live) {
    try {
      await client.create(kind, wanted as never, options);
      return 'created';
    } catch (error) {
      // Created by another client meanwhile: it is patched.
      if (!name || !isApiError(error, 'AlreadyExists')) throw error;
      return applyManifest(client, { def, object, source: '' }, namespace, dryRun);
    }
  }
  const patch = threeWayPatch(appliedBefore(live), fields(wanted), fields(live), def.message);
  if (!patch) return 'unchanged';
  const after = await client.patch(kind, name, { type: 'strategic', body: patch }, { ...options, namespace: into });
  return after.metadata.resourceVersion === live.metadata.resourceVersion && !dryRun ? 'unchanged' : 'configured';
}

/** Server-side apply. `force`: takes over fields of other managers. */
export async function applyOnServer(
  client: Pick<Client, 'patch'>,
  { def, object }: Manifest,
  namespace: string | undefined,
  options: { readonly fieldManager: string; readonly force: boolean; readonly dryRun: boolean },
): Promise<Applied> {
  const into = def.namespaced ? namespace : undefined;
  const { name } = object.metadata;
  if (!name) throw new UsageError(`metadata.name is needed to apply a ${def.kind} on the server`);
  const body = { ...object, metadata: { ...object.metadata, ...(into ? { namespace: into } : {}) } };
  await client.patch(kindNameOf(def), name, { type: 'apply', body }, { ...options, namespace: into });
  return 'serverside-applied';
}

async function liveObject(
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

function appliedBefore(live: KubeObject): Record<string, unknown> | undefined {
  const text = live.metadata.annotations?.[lastApplied];
  if (!text) return undefined;
  try {
    return fields(JSON.parse(text) as KubeObject);
  } catch {
    // Without a valid annotation the patch adds and changes, and removes nothing.
    return undefined;
  }
}

/** The fields that a manifest can set: all but type and status. */
function fields(object: KubeObject): Record<string, unknown> {
  const { apiVersion: _version, kind: _kind, status: _status, ...rest } = object;
  return rest;
}
