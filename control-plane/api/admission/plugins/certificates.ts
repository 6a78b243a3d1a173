import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../../../shared/errors.ts';
import type { CertificateSigningRequest } from '../../../../shared/generated/types.ts';
import { type RequestedSubject, readSigningRequest } from '../../../../shared/pki/signing-request.ts';
import { invalid, invalidError } from '../../../../shared/schema/causes.ts';
import { reservedGroups } from '../../../../shared/well-known.ts';
import type { Authorizer, Identity } from '../../auth/identity.ts';
import { forbidden } from '../../requests/refusals.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../plugin.ts';

/** The signer of certificates that clients authenticate to the API server with. */
const clientSigner = 'kubernetes.io/kube-apiserver-client';

/**
 * Certificate signing requests (Kubernetes' CertificateApproval, CertificateSigning and CertificateSubjectRestriction): the spec names
 * the requestor, the request is signed by its own key, no client certificate has a reserved group, and only users with rights on the
 * signer approve and sign.
 */
export function certificates(authorizer: Authorizer): AdmissionPlugin {
  const allowed = (identity: Identity, verb: string, signer: string): boolean => {
    const names = [signer, `${signer.split('/')[0]}/*`];
    return names.some((name) => {
      const attributes = { verb, group: 'certificates.k8s.io', resource: 'signers', name };
      return authorizer.authorize(identity, attributes).allowed;
    });
  };
  const demand = ({ identity, entry, name }: AdmissionRequest, verb: string, signer: string): void => {
    if (allowed(identity, verb, signer)) return;
    throw forbidden(entry, name, `user not permitted to ${verb} requests with signerName ${JSON.stringify(signer)}`);
  };
  return {
    name: 'Certificates',
    rules: [
      { verbs: ['create'], kinds: ['CertificateSigningRequest'] },
      { verbs: ['update'], kinds: ['CertificateSigningRequest'], subresources: ['status', 'approval'] },
    ],
    mutate({ identity }, object) {
      const { spec } = object as CertificateSigningRequest;
      if (spec) setRequestor(spec, identity);
    },
    validate(request, object, old) {
      const csr = object as CertificateSigningRequest;
      if (request.verb === 'create') {
        checkRequest(request, csr);
        return;
      }
      if (!old) return;
      const { spec, status } = old as CertificateSigningRequest;
      if (request.subresource === 'approval') demand(request, 'approve', spec.signerName);
      else if (!isDeepStrictEqual(csr.status ?? {}, status ?? {})) demand(request, 'sign', spec.signerName);
    },
  };
}

/** Replaces what the client sent. */
function setRequestor(spec: CertificateSigningRequest['spec'], { user, uid, groups: of, extra }: Identity): void {
  spec.username = user;
  spec.groups = [...of];
  delete spec.uid;
  delete spec.extra;
  if (uid) spec.uid = uid;
  if (extra) spec.extra = Object.fromEntries(Object.entries(extra).map(([name, values]) => [name, [...values]]));
}

function checkRequest({ entry, name }: AdmissionRequest, { spec }: CertificateSigningRequest): void {
  let subject: RequestedSubject;
  try {
    subject = readSigningRequest(Buffer.from(spec.request, 'base64').toString('latin1')).subject;
  } catch (error) {
    throw invalidError(entry, name, [invalid('spec.request', spec.request, messageOf(error))]);
  }
  const reserved = reservedGroups.find((group) => subject.organizations.includes(group));
  if (spec.signerName === clientSigner && reserved) {
    throw forbidden(entry, name, `use of ${clientSigner} signer with ${reserved} group is not allowed`);
  }
}
