import type { Client } from '../../shared/client.ts';
import type { Kind } from '../../shared/generated/types.ts';
import type { Authority } from '../../shared/pki/certificates.ts';
import { createCertificateController } from './certificates/controller.ts';
import { createClusterRoleAggregation } from './cluster-role-aggregation/controller.ts';
import { type Controller, type ControllerDeps, runController } from './controller.ts';
import { createDeploymentController } from './deployment/controller.ts';
import { createDisruptionController } from './disruption/controller.ts';
import { collectedKinds, createGarbageCollector } from './garbage-collector/controller.ts';
import { createNamespaceController } from './namespace/controller.ts';
import { createNodeLifecycleController, type NodeLifecycleOptions } from './node-lifecycle/controller.ts';
import { createReplicaController } from './replica-set/controller.ts';
import { createQuotaController } from './resource-quota/controller.ts';
import { createRootCertificatePublisher } from './root-ca/controller.ts';
import { createServiceAccountController } from './service-account/controller.ts';
import { createTokenSecretController, type TokenSecretOptions } from './service-account-tokens/controller.ts';

export type { Controller, ControllerDeps } from './controller.ts';

/** The kinds that the informers given to the controllers must hold. */
export const controllerKinds: readonly Kind[] = [...new Set<Kind>([...collectedKinds, 'Lease'])];

export interface ControllerOptions extends NodeLifecycleOptions {
  /** Signs certificates. Absent: nobody is told of it, and no request is signed. */
  readonly authority?: Pick<Authority, 'certificate' | 'signRequest'>;
  /** Absent: there are no tokens. */
  readonly issueToken?: TokenSecretOptions['issue'];
}

export interface AllControllerDeps extends ControllerDeps {
  /** The API as the service account of a controller sees it. Absent: all are the one `client`. */
  readonly clientOf?: (account: string) => Client;
}

export function createControllers(deps: AllControllerDeps, options: ControllerOptions): Controller[] {
  const { authority, issueToken: issue } = options;
  /** Each acts, and tells its events, under the names that it has in Kubernetes. */
  const as = (account: string, component = account): ControllerDeps => {
    const client = deps.clientOf?.(account) ?? deps.client;
    return { ...deps, client, events: deps.events.of(component, client) };
  };
  return [
    createReplicaController('ReplicaSet', as('replicaset-controller')),
    createReplicaController('ReplicationController', as('replication-controller')),
    createDeploymentController(as('deployment-controller')),
    createNodeLifecycleController(as('node-controller'), options),
    createGarbageCollector(as('generic-garbage-collector')),
    createNamespaceController(as('namespace-controller')),
    createQuotaController(as('resourcequota-controller')),
    createDisruptionController(as('disruption-controller', 'controllermanager')),
    createClusterRoleAggregation(as('clusterrole-aggregation-controller')),
    createServiceAccountController(as('service-account-controller')),
    ...(authority
      ? [
          createRootCertificatePublisher(as('root-ca-cert-publisher'), authority.certificate),
          createCertificateController(as('certificate-controller'), authority),
        ]
      : []),
    ...(authority && issue ? [createTokenSecretController(deps, { certificate: authority.certificate, issue })] : []),
  ];
}

/** Runs all controllers until aborted. */
export async function runControllers(
  deps: AllControllerDeps,
  options: ControllerOptions,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(createControllers(deps, options).map((controller) => runController(controller, deps, signal)));
}
