import type { Kind } from '../../shared/generated/types.ts';
import { createClusterRoleAggregation } from './cluster-role-aggregation.ts';
import { type Controller, type ControllerDeps, runController } from './controller.ts';
import { createDeploymentController } from './deployment.ts';
import { createDisruptionController } from './disruption.ts';
import { collectedKinds, createGarbageCollector } from './garbage-collector.ts';
import { createNamespaceController } from './namespace.ts';
import { createNodeLifecycleController, type NodeLifecycleOptions } from './node-lifecycle.ts';
import { createReplicaController } from './replica-set.ts';
import { createQuotaController } from './resource-quota.ts';
import { createRootCertificatePublisher } from './root-ca.ts';
import { createServiceAccountController } from './service-account.ts';
import { createTokenSecretController, type TokenSecretOptions } from './service-account-tokens.ts';

export type { Controller, ControllerDeps } from './controller.ts';

/** The kinds that the informers given to the controllers must hold. */
export const controllerKinds: readonly Kind[] = [...new Set<Kind>([...collectedKinds, 'Lease'])];

export interface ControllerOptions extends NodeLifecycleOptions {
  /** The CA's certificate, PEM. Absent: nobody is told of it. */
  readonly certificate?: string;
  /** Absent: there are no tokens. */
  readonly issueToken?: TokenSecretOptions['issue'];
}

export function createControllers(deps: ControllerDeps, options: ControllerOptions): Controller[] {
  const { certificate, issueToken: issue } = options;
  return [
    createReplicaController('ReplicaSet', deps),
    createReplicaController('ReplicationController', deps),
    createDeploymentController(deps),
    createNodeLifecycleController(deps, options),
    createGarbageCollector(deps),
    createNamespaceController(deps),
    createQuotaController(deps),
    createDisruptionController(deps),
    createClusterRoleAggregation(deps),
    createServiceAccountController(deps),
    ...(certificate ? [createRootCertificatePublisher(deps, certificate)] : []),
    ...(certificate && issue ? [createTokenSecretController(deps, { certificate, issue })] : []),
  ];
}

/** Runs all controllers until aborted. */
export async function runControllers(
  deps: ControllerDeps,
  options: ControllerOptions,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(createControllers(deps, options).map((controller) => runController(controller, deps, signal)));
}
