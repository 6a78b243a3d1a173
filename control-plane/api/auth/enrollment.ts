import type { Client } from '../../../shared/client.ts';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError, isApiError, messageOf } from '../../../shared/errors.ts';
import type { JoinToken } from '../../../shared/generated/types.ts';
import type { Log } from '../../../shared/log.ts';
import { isNodeReady } from '../../../shared/node.ts';
import { type Authority, readNodeRequest } from '../../../shared/pki/certificates.ts';
import { isExpired, parseToken, secretMatches } from '../../../shared/pki/join-tokens.ts';
import { enrollNode, renewEnrollment } from '../../../shared/pki/node-enrollments.ts';
import type { SigningRequest } from '../../../shared/pki/signing-request.ts';
import type { Random } from '../../../shared/random.ts';
import { isDnsSubdomain } from '../../../shared/schema/formats.ts';
import { nodeNameOf, nodeUser } from './authentication.ts';
import { groups, type Identity } from './identity.ts';

export interface EnrollmentDeps {
  readonly client: Pick<Client, 'get' | 'create' | 'update'>;
  readonly authority: Pick<Authority, 'certificate' | 'signClient'>;
  readonly clock: Pick<Clock, 'now'>;
  /** Must be cryptographically secure: the uids of certificates come from it. */
  readonly random: Random;
  readonly log: Log;
  /** Life of a node's certificate in milliseconds. */
  readonly certificateMs?: number;
}

export interface EnrollmentRequest {
  readonly token: string;
  readonly nodeName: string;
  /** PKCS#10, PEM. */
  readonly csr: string;
}

export interface EnrollmentResult {
  /** PEM. */
  readonly certificate: string;
  readonly ca: string;
}

/** Enrolls machines as nodes. All methods throw ApiError. */
export interface Enrollment {
  /** The user of a join token, by Kubernetes' name `system:bootstrap:ID`. Throws Unauthorized when the token is not valid. */
  holderOf(token: string): Promise<Identity>;
  /**
   * Authenticated by the join token alone. The name of a Node that is Ready is refused with Conflict, as by `kubeadm join`: a
   * token cannot take over a running node. The name of a node that is not Ready may be enrolled again, for reinstalled machines;
   * earlier certificates of that name are revoked.
   */
  enroll(request: EnrollmentRequest): Promise<EnrollmentResult>;
  /**
   * Authenticated by the node's present certificate: issues a new one for the same name, as long as the Node exists that the
   * machine registered. Throws Forbidden when it does not.
   */
  renew(identity: Identity, request: Omit<EnrollmentRequest, 'token'>): Promise<EnrollmentResult>;
}

/** A node certificate is valid for a month; the agent rotates it. */
const certificateMs = 30 * 24 * 60 * 60 * 1000;

export function createEnrollment(deps: EnrollmentDeps): Enrollment {
  const { authority, log } = deps;

  async function issue(nodeName: string, uid: string, request: SigningRequest): Promise<EnrollmentResult> {
    const subject = { user: nodeUser(nodeName), groups: [groups.nodes], uid };
    const certificate = await authority.signClient(request, subject, deps.certificateMs ?? certificateMs);
    log.info({ component: 'enrollment', key: nodeName }, 'issued a node certificate');
    return { certificate, ca: authority.certificate };
  }

  return {
    async holderOf(token) {
      return {
        user: `system:bootstrap:${await checkToken(token, deps)}`,
        groups: [groups.bootstrappers, groups.authenticated],
      };
    },
    async enroll({ token, nodeName, csr }) {
      await checkToken(token, deps);
      checkNodeName(nodeName);
      const request = checkRequest(csr);
      const node = await getOrNone(() => deps.client.get('Node', nodeName));
      if (node && isNodeReady(node)) {
        throw new ApiError(
          'Conflict',
          `a Node with name "${nodeName}" and status "Ready" already exists in the cluster: delete it or choose another name`,
          { kind: 'nodes', name: nodeName },
        );
      }
      return issue(nodeName, await enrollNode(deps, nodeName), request);
    },
    async renew(identity, { nodeName, csr }) {
      const node = nodeNameOf(identity);
      if (node === undefined)
        throw new ApiError('Unauthorized', 'a certificate is renewed with the present one of the node');
      if (nodeName !== node) {
        throw new ApiError('Forbidden', `node '${node}' may renew only its own certificate, not that of '${nodeName}'`);
      }
      const request = checkRequest(csr);
      return issue(node, await renewEnrollment(deps, node, identity.uid), request);
    },
  };
}

/** The token's id. All faults of a token give the same error, so that guessing reveals nothing. */
async function checkToken(token: string, { client, clock }: EnrollmentDeps): Promise<string> {
  const parsed = parseToken(token);
  const stored = parsed && (await getOrNone<JoinToken>(() => client.get('JoinToken', parsed.id)));
  const matches = secretMatches(parsed?.secret ?? '', stored?.spec.secretHash);
  if (!matches || !stored || stored.metadata.deletionTimestamp || isExpired(stored, clock.now())) {
    throw new ApiError('Unauthorized', 'the join token is not valid or has expired');
  }
  return parsed?.id ?? '';
}

function checkNodeName(name: string): void {
  // As for every Node object.
  if (isDnsSubdomain(name) === undefined) return;
  throw new ApiError(
    'BadRequest',
    `"${name.slice(0, 253)}" is not a name for a node: a lowercase RFC 1123 subdomain is`,
  );
}

function checkRequest(csr: string): SigningRequest {
  try {
    return readNodeRequest(csr);
  } catch (cause) {
    throw new ApiError('BadRequest', messageOf(cause), {}, { cause });
  }
}

async function getOrNone<T>(get: () => Promise<T>): Promise<T | undefined> {
  try {
    return await get();
  } catch (error) {
    if (isApiError(error, 'NotFound')) return undefined;
    throw error;
  }
}
