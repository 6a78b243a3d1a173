import type { Identity } from './identity.ts';
import type { Credential } from './live-credentials.ts';

/** The sender of a request. */
export interface Requester {
  /** The user as whom the request is carried out. */
  readonly identity: Identity;
  /** The sender, when it impersonates that user. */
  readonly impersonator?: Identity;
  /** The credential, if streams must end with it. */
  readonly credential?: Credential;
}
