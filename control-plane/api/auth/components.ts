import type { Client } from '../../../shared/client.ts';
import { component, groups, type Identity } from './identity.ts';
import { serviceAccountGroups, serviceAccountUser } from './service-accounts.ts';

/** The components that run in this process, by their user names in Kubernetes. */

export const apiServer = component('system:apiserver', [groups.masters]);
export const scheduler = component('system:kube-scheduler');
export const controllerManager = component('system:kube-controller-manager');

/** A controller acts as its service account: `deployment-controller`. */
export function controller(name: string): Identity {
  const namespace = 'kube-system';
  return component(serviceAccountUser({ namespace, name }), serviceAccountGroups(namespace));
}

/** A client that acts as one of them. */
export type ClientOf = (identity: Identity, userAgent?: string) => Client;
