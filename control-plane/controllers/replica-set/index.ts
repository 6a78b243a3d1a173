import type { ControllerDefinition } from '../definition.ts';
import { replicaSetAccount, replicationAccount } from './account.ts';
import { createReplicaController } from './controller.ts';

export const replicaSet: ControllerDefinition = {
  account: replicaSetAccount,
  create: (deps) => createReplicaController('ReplicaSet', deps),
};

export const replicationController: ControllerDefinition = {
  account: replicationAccount,
  create: (deps) => createReplicaController('ReplicationController', deps),
};
