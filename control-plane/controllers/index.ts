import { setMaxListeners } from 'node:events';
import type { Client } from '../../shared/client.ts';
import type { Kind } from '../../shared/generated/types.ts';
import type { ControllerAccount } from '../../shared/rbac/controller-account.ts';
import { certificates } from './certificates/index.ts';
import { clusterRoleAggregation } from './cluster-role-aggregation/index.ts';
import { type Controller, type ControllerDeps, runController } from './controller.ts';
import { cronJob } from './cron-job/index.ts';
import { daemonSet } from './daemon-set/index.ts';
import type { ControllerDefinition, ControllerOptions } from './definition.ts';
import { deployment } from './deployment/index.ts';
import { disruption } from './disruption/index.ts';
import { ephemeralVolume } from './ephemeral-volume/index.ts';
import { collectedKinds } from './garbage-collector/controller.ts';
import { garbageCollector } from './garbage-collector/index.ts';
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler/index.ts';
import { job } from './job/index.ts';
import { localProvisioner } from './local-provisioner/index.ts';
import { namespace } from './namespace/index.ts';
import { nodeLifecycle } from './node-lifecycle/index.ts';
import { persistentVolume } from './persistent-volume/index.ts';
import { replicaSet, replicationController } from './replica-set/index.ts';
import { resourceQuota } from './resource-quota/index.ts';
import { rootCa } from './root-ca/index.ts';
import { serviceAccount } from './service-account/index.ts';
import { serviceAccountTokens } from './service-account-tokens/index.ts';
import { statefulSet } from './stateful-set/index.ts';
import { ttlAfterFinished } from './ttl-after-finished/index.ts';
import { claimProtection, volumeProtection } from './volume-protection/index.ts';

export type { ControllerDeps } from './controller.ts';
export type { ControllerOptions } from './definition.ts';

/** All controllers. Adding one is a folder, and a line here. */
const definitions: readonly ControllerDefinition[] = [
  replicaSet,
  replicationController,
  deployment,
  daemonSet,
  statefulSet,
  job,
  ttlAfterFinished,
  cronJob,
  horizontalPodAutoscaler,
  nodeLifecycle,
  garbageCollector,
  namespace,
  ephemeralVolume,
  resourceQuota,
  disruption,
  persistentVolume,
  localProvisioner,
  claimProtection,
  volumeProtection,
  clusterRoleAggregation,
  serviceAccount,
  rootCa,
  certificates,
  serviceAccountTokens,
];

/** The accounts that the bootstrap policy gives roles to. */
export const controllerAccounts: readonly ControllerAccount[] = definitions.flatMap(({ account }) => account ?? []);

/** The kinds that the controllers' informers must hold. */
export const controllerKinds: readonly Kind[] = [...new Set<Kind>([...collectedKinds, 'Lease'])];

export interface AllControllerDeps extends ControllerDeps {
  /** A client with the identity of a controller's service account. Absent: all use `client`. */
  readonly clientOf?: (account: string) => Client;
}

/** Those controllers whose needs the options meet. Each acts as its own account, and reports events under its own name. */
export function createControllers(deps: AllControllerDeps, options: ControllerOptions): Controller[] {
  return definitions.flatMap((definition) => definition.create(depsOf(definition, deps), options) ?? []);
}

function depsOf({ account, eventSource }: ControllerDefinition, deps: AllControllerDeps): ControllerDeps {
  if (!account) return deps;
  const client = deps.clientOf?.(account.name) ?? deps.client;
  return { ...deps, client, events: deps.events.of(eventSource ?? account.name, client) };
}

/** Runs all controllers until aborted. */
export async function runControllers(
  deps: AllControllerDeps,
  options: ControllerOptions,
  signal: AbortSignal,
): Promise<void> {
  // Each controller listens to it.
  setMaxListeners(0, signal);
  await Promise.all(createControllers(deps, options).map((controller) => runController(controller, deps, signal)));
}
