import { formatTime } from '../../../shared/clock.ts';
import { ignoring, isApiError, messageOf } from '../../../shared/errors.ts';
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import type { Authority } from '../../../shared/pki/certificates.ts';
import { enrollmentOf, renewEnrollment } from '../../../shared/pki/node-enrollments.ts';
import { type RequestedSubject, readSigningRequest } from '../../../shared/pki/signing-request.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { autoApprovals, expiresAt, hasCondition, isOurs, nodeIn, signerFault } from './plan.ts';

/** The longest validity, also the default, and the shortest (ms). */
const longestMs = 365 * 24 * 60 * 60 * 1000;
const shortestMs = 10 * 60 * 1000;

/**
 * Approves the signing requests of nodes for themselves where RBAC allows it, signs approved ones with the cluster's CA, and deletes old
 * ones (Kubernetes' csrapproving, csrsigning and csrcleaner).
 */
export function createCertificateController(
  deps: ControllerDeps,
  authority: Pick<Authority, 'signRequest'>,
): Controller {
  const { client, informers, clock } = deps;

  function* keysOf({ key, after }: Change): Iterable<string> {
    if (after) yield key;
  }

  async function reconcile(name: string): Promise<number | undefined> {
    const csr = informers.of('CertificateSigningRequest').get(name);
    if (!csr || csr.metadata.deletionTimestamp) return undefined;
    const end = expiresAt(csr);
    if (end !== undefined && end <= clock.now()) {
      const { uid, resourceVersion } = csr.metadata;
      await client
        .delete('CertificateSigningRequest', name, { preconditions: { uid, resourceVersion } })
        .catch(ignoring('NotFound'));
      return undefined;
    }
    const decided = hasCondition(csr, 'Approved') || hasCondition(csr, 'Denied');
    if (!decided) await approve(csr);
    else if (mayBeSigned(csr)) await sign(csr);
    return end === undefined ? undefined : end - clock.now();
  }

  async function approve(csr: CertificateSigningRequest): Promise<void> {
    const { spec, metadata, status } = csr;
    if (!isOurs(spec.signerName)) return;
    const subject = subjectOf(csr);
    for (const { subresource, message } of subject ? autoApprovals(csr, subject) : []) {
      if (!(await isAllowed(csr, subresource))) continue;
      const condition = conditionNow('Approved', 'AutoApproved', message);
      const body = {
        metadata: { resourceVersion: metadata.resourceVersion },
        status: { conditions: [...(status?.conditions ?? []), condition] },
      };
      const patch = { type: 'merge', body } as const;
      await client.patch('CertificateSigningRequest', metadata.name, patch, { subresource: 'approval' });
      return;
    }
  }

  async function isAllowed({ spec }: CertificateSigningRequest, subresource: string): Promise<boolean> {
    const { username: user, uid, groups, extra } = spec;
    const attributes = { group: 'certificates.k8s.io', resource: 'certificatesigningrequests', version: '*' };
    const { status } = await client.create('SubjectAccessReview', {
      metadata: {},
      spec: {
        ...(user ? { user } : {}),
        ...(uid ? { uid } : {}),
        ...(groups ? { groups } : {}),
        ...(extra ? { extra } : {}),
        resourceAttributes: { ...attributes, verb: 'create', subresource },
      },
    });
    return status?.allowed ?? false;
  }

  async function sign(csr: CertificateSigningRequest): Promise<void> {
    const { spec, status } = csr;
    const { usages = [], signerName } = spec;
    let certificate: string;
    try {
      const request = readSigningRequest(pemOf(csr));
      const fault = signerFault(signerName, request.subject, usages);
      if (fault !== undefined) {
        await fail(csr, 'SignerValidationFailure', fault);
        return;
      }
      const uid = await uidFor(csr, request.subject);
      certificate = await authority.signRequest(request, usages, lifeOf(spec.expirationSeconds), uid);
    } catch (error) {
      // A failure of the store and a conflict are retried.
      if (isApiError(error) && !isApiError(error, 'Forbidden', 'Invalid')) throw error;
      await fail(csr, 'SigningError', messageOf(error));
      return;
    }
    await client.updateStatus('CertificateSigningRequest', {
      ...csr,
      status: { ...status, certificate: Buffer.from(certificate).toString('base64') },
    });
  }

  /** The uid of a node's enrollment, which its certificate ends with; a request of the node itself renews the enrollment. */
  async function uidFor({ spec }: CertificateSigningRequest, subject: RequestedSubject): Promise<string | undefined> {
    const node = spec.usages?.includes('client auth') ? nodeIn(subject) : undefined;
    if (node === undefined) return undefined;
    return spec.username === subject.commonName ? renewEnrollment(deps, node, spec.uid) : enrollmentOf(deps, node);
  }

  async function fail(csr: CertificateSigningRequest, reason: string, message: string): Promise<void> {
    const conditions = [...(csr.status?.conditions ?? []), conditionNow('Failed', reason, message)];
    await client.updateStatus('CertificateSigningRequest', { ...csr, status: { ...csr.status, conditions } });
  }

  function conditionNow(
    type: CertificateSigningRequestCondition['type'],
    reason: string,
    message: string,
  ): CertificateSigningRequestCondition {
    const now = formatTime(clock.now());
    return { type, status: 'True', reason, message, lastUpdateTime: now, lastTransitionTime: now };
  }

  return {
    name: 'certificate-controller',
    kinds: ['CertificateSigningRequest'],
    workers: 2,
    keysOf,
    reconcile,
  };
}

function mayBeSigned(csr: CertificateSigningRequest): boolean {
  const open = !csr.status?.certificate && !hasCondition(csr, 'Failed') && !hasCondition(csr, 'Denied');
  return open && isOurs(csr.spec.signerName);
}

/** Undefined when the request cannot be parsed: it is not approved. */
function subjectOf(csr: CertificateSigningRequest): RequestedSubject | undefined {
  try {
    return readSigningRequest(pemOf(csr)).subject;
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

function pemOf({ spec }: CertificateSigningRequest): string {
  return Buffer.from(spec.request, 'base64').toString('latin1');
}

function lifeOf(seconds: number | undefined): number {
  if (seconds === undefined) return longestMs;
  return Math.min(longestMs, Math.max(shortestMs, seconds * 1000));
}
