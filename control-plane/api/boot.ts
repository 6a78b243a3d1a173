import { isApiError } from '../../shared/errors.ts';
import type { Kind } from '../../shared/generated/types.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import { systemPriorityClasses } from '../../shared/kinds/scheduling/priority-class.ts';
import { defaultClassAnnotation } from '../../shared/kinds/storage/storage-class.ts';
import { localProvisioner } from '../../shared/storage/local.ts';
import { nodeLeaseNamespace } from '../../shared/well-known.ts';
import type { Api, RequestContext } from './api.ts';
import { apiServer } from './auth/components.ts';

/** The namespaces that every cluster has. */
export const systemNamespaces = ['default', 'kube-system', 'kube-public', nodeLeaseNamespace] as const;

/** The class of claims that name none. */
const localClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass' as const,
  metadata: { name: 'local', annotations: { [defaultClassAnnotation]: 'true' } },
  provisioner: localProvisioner,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
  allowVolumeExpansion: true,
};
/** The annotation of the namespace kube-system: the storage class has been created once, and is the administrator's from then on. */
const classCreated = 'coracle.io/storage-class-created';

/** Creates the objects that every cluster has. May run at every start, in several servers at once. */
export async function ensureBootObjects(api: Api, signal: AbortSignal): Promise<void> {
  const context: RequestContext = { identity: apiServer, signal, warnings: [] };
  const namespaces = systemNamespaces.map((name) => ({
    apiVersion: 'v1',
    kind: 'Namespace' as const,
    metadata: { name },
  }));
  for (const object of [...namespaces, ...systemPriorityClasses]) await ensure(api, context, object);
  await ensureStorageClass(api, context);
}

async function ensureStorageClass(api: Api, context: RequestContext): Promise<void> {
  const system = { entry: kindNamed('Namespace'), name: 'kube-system' };
  const { metadata } = await api.get(context, system);
  if (metadata.annotations?.[classCreated] !== undefined) return;
  await ensure(api, context, localClass);
  const body = { metadata: { annotations: { [classCreated]: localClass.metadata.name } } };
  await api.patch(context, system, { type: 'merge', body });
}

async function ensure(api: Api, context: RequestContext, object: { readonly kind: Kind }): Promise<void> {
  try {
    await api.create(context, { entry: kindNamed(object.kind) }, object);
  } catch (error) {
    if (!isApiError(error, 'AlreadyExists')) throw error;
  }
}
