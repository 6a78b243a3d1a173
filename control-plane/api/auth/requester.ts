import type { Identity } from './identity.ts';
import type { Credential } from './live-credentials.ts';

/** Who a request comes from. */
export interface Requester {
  /** Who it is to be carried out as. */
  readonly identity: Identity;
  /** Who sent it, when that is somebody else. */
  readonly impersonator?: Identity;
  /** By what, as far as streams must end with it. */
  readonly credential?: Credential;
}
