import type { ServiceAccount } from '../../shared/generated/types.ts';
import type { Authority } from '../../shared/pki/certificates.ts';
import type { ControllerAccount } from '../../shared/rbac/controller-account.ts';
import type { Controller, ControllerDeps } from './controller.ts';

/** What a folder here exports, and the table in `index.ts` lists: how a controller is made, and which rights it has. */
export interface ControllerDefinition {
  /** Absent: it acts as kube-controller-manager itself. */
  readonly account?: ControllerAccount;
  /** The source of its events; absent: the account's name. */
  readonly eventSource?: string;
  /** Undefined when the options lack what it needs. */
  create(deps: ControllerDeps, options: ControllerOptions): Controller | undefined;
}

export interface ControllerOptions {
  /** How long a node's lease lives without heartbeats. */
  readonly leaseMs: number;
  /** How long after the controllers' start a node without a lease may still come back: its agent may have had no server to renew it with. */
  readonly startupMs: number;
  /** Signs certificates. Absent: no request is signed, and no namespace gets the CA's certificate. */
  readonly authority?: Pick<Authority, 'certificate' | 'signRequest'>;
  /** The token that a Secret of this name gives to the account's holders. Absent: no Secret is filled. */
  readonly issueToken?: (account: ServiceAccount, secret: string) => Promise<string>;
}
