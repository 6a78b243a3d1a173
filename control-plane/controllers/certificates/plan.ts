import { X509Certificate } from 'node:crypto';
import type { CertificateSigningRequest } from '../../../shared/generated/types.ts';
import type { RequestedSubject } from '../../../shared/pki/signing-request.ts';
import { nodesGroup, nodeUserPrefix, reservedGroups } from '../../../shared/well-known.ts';

/** Kubernetes' signers that we are (`pkg/controller/certificates/signer`, `pkg/apis/certificates/helpers.go`). */
export const signers = {
  client: 'kubernetes.io/kube-apiserver-client',
  nodeClient: 'kubernetes.io/kube-apiserver-client-kubelet',
  nodeServing: 'kubernetes.io/kubelet-serving',
} as const;

export function isOurs(signerName: string): boolean {
  return Object.values<string>(signers).includes(signerName);
}

/** What the signer finds wrong with a request; undefined when it signs it. */
export function signerFault(
  signerName: string,
  subject: RequestedSubject,
  usages: readonly string[],
): string | undefined {
  switch (signerName) {
    case signers.nodeClient:
      return nodeClientFault(subject, usages);
    case signers.nodeServing:
      return nodeServingFault(subject, usages);
    default:
      return clientFault(subject, usages);
  }
}

const optionalUsages = ['digital signature', 'key encipherment'];

/** Admission has refused the reserved groups before; the signer looks again. */
function clientFault({ organizations }: RequestedSubject, usages: readonly string[]): string | undefined {
  const reserved = organizations.find((group) => reservedGroups.includes(group));
  if (reserved !== undefined) return `use of ${signers.client} signer with ${reserved} group is not allowed`;
  const wrong = usages.find((usage) => usage !== 'client auth' && !optionalUsages.includes(usage));
  if (wrong !== undefined) return `invalid usage for client certificate: ${wrong}`;
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth';
}

function nodeClientFault(subject: RequestedSubject, usages: readonly string[]): string | undefined {
  const { organizations, names, commonName = '' } = subject;
  if (!isNodesOnly(organizations)) return `subject organization is not ${nodesGroup}`;
  if (names.dns.length > 0) return 'DNS subjectAltNames are not allowed';
  if (names.email.length > 0) return 'Email subjectAltNames are not allowed';
  if (names.ip.length > 0) return 'IP subjectAltNames are not allowed';
  if (names.url.length > 0) return 'URI subjectAltNames are not allowed';
  if (!commonName.startsWith(nodeUserPrefix)) return `subject common name does not begin with ${nodeUserPrefix}`;
  return usagesFault(usages, 'client auth');
}

function nodeServingFault(subject: RequestedSubject, usages: readonly string[]): string | undefined {
  const { organizations, names, commonName = '' } = subject;
  if (!isNodesOnly(organizations)) return `subject organization is not ${nodesGroup}`;
  if (names.dns.length === 0 && names.ip.length === 0) return 'DNS or IP subjectAltName is required';
  if (names.email.length > 0) return 'Email subjectAltNames are not allowed';
  if (names.url.length > 0) return 'URI subjectAltNames are not allowed';
  const unfit = usagesFault(usages, 'server auth');
  if (unfit !== undefined) return unfit;
  if (!commonName.startsWith(nodeUserPrefix)) return `subject common name does not begin with ${nodeUserPrefix}`;
  return undefined;
}

/** The node whose client certificate the subject is; undefined when it is not a node's. */
export function nodeIn({ organizations, commonName = '' }: RequestedSubject): string | undefined {
  if (!organizations.includes(nodesGroup) || !commonName.startsWith(nodeUserPrefix)) return undefined;
  return commonName.slice(nodeUserPrefix.length) || undefined;
}

function isNodesOnly(organizations: readonly string[]): boolean {
  return organizations.length === 1 && organizations[0] === nodesGroup;
}

/** A node's key is used for just these; keys that only sign need no key encipherment. */
function usagesFault(usages: readonly string[], main: string): string | undefined {
  const wanted = ['digital signature', main];
  const others = usages.filter((usage) => !wanted.includes(usage));
  const all = wanted.every((usage) => usages.includes(usage));
  if (all && others.every((usage) => usage === 'key encipherment')) return undefined;
  return `usages did not match [${['key encipherment', ...wanted].sort().join(' ')}]`;
}

/** The permission by which a request for a node's client certificate is approved without a person. */
export interface AutoApproval {
  readonly subresource: 'selfnodeclient' | 'nodeclient';
  readonly message: string;
}

/** The permissions to check, in order; none when the request is not for a node's client certificate. */
export function autoApprovals({ spec }: CertificateSigningRequest, subject: RequestedSubject): AutoApproval[] {
  if (spec.signerName !== signers.nodeClient || nodeClientFault(subject, spec.usages ?? []) !== undefined) return [];
  const self: AutoApproval = {
    subresource: 'selfnodeclient',
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
  };
  const any: AutoApproval = {
    subresource: 'nodeclient',
    message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
  };
  return spec.username === subject.commonName ? [self, any] : [any];
}

const hourMs = 60 * 60 * 1000;
/** How long a request is kept without a decision, and after one. */
const pendingMs = 24 * hourMs;
const settledMs = hourMs;

/** When a request is deleted (milliseconds since the epoch); undefined while it has no time to count from. */
export function expiresAt({ metadata, status = {} }: CertificateSigningRequest): number | undefined {
  const { conditions = [], certificate } = status;
  const ends: number[] = [];
  if (conditions.length === 0) ends.push(Date.parse(metadata.creationTimestamp) + pendingMs);
  for (const { type, lastUpdateTime } of conditions) {
    const settles = type === 'Denied' || type === 'Failed' || (type === 'Approved' && certificate);
    if (settles) ends.push(Date.parse(lastUpdateTime ?? metadata.creationTimestamp) + settledMs);
  }
  if (certificate) ends.push(expiry(certificate));
  return ends.length > 0 ? Math.min(...ends) : undefined;
}

/** `certificate`: base64 of PEM; it was valid when it was stored. */
function expiry(certificate: string): number {
  return Date.parse(new X509Certificate(Buffer.from(certificate, 'base64')).validTo);
}

export function hasCondition({ status }: CertificateSigningRequest, type: string): boolean {
  return status?.conditions?.some((condition) => condition.type === type && condition.status !== 'False') ?? false;
}
