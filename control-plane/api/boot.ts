import { isApiError } from '../../shared/errors.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import { systemPriorityClasses } from '../../shared/kinds/scheduling/priority-class.ts';
import { nodeLeaseNamespace } from '../../shared/well-known.ts';
import type { Api, RequestContext } from './api.ts';
import { apiServer } from './auth/components.ts';

/** The namespaces that every cluster has. */
export const systemNamespaces = ['default', 'kube-system', 'kube-public', nodeLeaseNamespace] as const;

/** Creates the objects that every cluster has. May run at every start, in several servers at once. */
export async function ensureBootObjects(api: Api, signal: AbortSignal): Promise<void> {
  const context: RequestContext = { identity: apiServer, signal, warnings: [] };
  const namespaces = systemNamespaces.map((name) => ({
    apiVersion: 'v1',
    kind: 'Namespace' as const,
    metadata: { name },
  }));
  for (const object of [...namespaces, ...systemPriorityClasses]) {
    try {
      await api.create(context, { entry: kindNamed(object.kind) }, object);
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists')) throw error;
    }
  }
}
