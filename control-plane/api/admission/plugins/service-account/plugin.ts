import type { Container, Pod, ServiceAccount, Volume } from '../../../../../shared/generated/types.ts';
import { mirrorAnnotation } from '../../../../../shared/kinds/rules/pod-annotations.ts';
import { rootCertificateKey, rootCertificateName } from '../../../../../shared/namespace-contents.ts';
import { nameSuffix, type Random } from '../../../../../shared/random.ts';
import { forbidden } from '../../../requests/refusals.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../../plugin.ts';
import { checkSecrets } from './mountable-secrets.ts';

export interface ServiceAccountDeps {
  readonly random: Random;
  /** Whether tokens are issued. */
  readonly tokens: boolean;
}

const volumePrefix = 'kube-api-access-';
/** Where clients look for the token of their service account. */
export const tokenMountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Seconds: an hour and seven, by which Kubernetes recognizes the tokens that this plugin mounts. */
const tokenLife = 60 * 60 + 7;
const fileMode = 0o644;

/** Sets a pod's service account, and mounts a token of it (Kubernetes' ServiceAccount). */
export function serviceAccount({ random, tokens }: ServiceAccountDeps): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    rules: [
      { verbs: ['create'], kinds: ['Pod'] },
      { verbs: ['update'], kinds: ['Pod'], subresources: ['ephemeralcontainers'] },
    ],
    reads({ namespace = '' }, object) {
      const { spec } = object as Pod;
      if (!isObject(spec)) return [];
      return [
        { kind: 'ServiceAccount', name: accountName(spec), namespace },
        { kind: 'Namespace', name: namespace },
      ];
    },
    mutate(request, object, _old, reader) {
      const pod = object as Pod;
      const { spec, metadata } = pod;
      if (!isObject(spec)) return;
      if (metadata.annotations?.[mirrorAnnotation] !== undefined) {
        checkMirror(request, pod);
        return;
      }
      spec.serviceAccountName = accountName(spec);
      spec.serviceAccount = spec.serviceAccountName;
      const { namespace = '' } = request;
      const account = reader.get('ServiceAccount', spec.serviceAccountName, namespace);
      if (!account) {
        const { metadata: found } = reader.get('Namespace', namespace) ?? {};
        // The create itself refuses a namespace that does not exist or is being deleted.
        if (!found || found.deletionTimestamp) return;
        throw refused(request, lookUpFault(namespace, spec.serviceAccountName));
      }
      if (tokens && mounts(spec, account)) mountToken(spec, random);
      if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
        spec.imagePullSecrets = account.imagePullSecrets.map((secret) => ({ ...secret }));
      }
      checkSecrets(pod, account, (why) => refused(request, why));
    },
    /** Checks an ephemeral container against the account at the time, which the cache may not show yet. */
    contribute(request, object, old, states) {
      if (!old) return undefined;
      const pod = object as Pod;
      const { namespace = '' } = request;
      const name = accountName(pod.spec);
      const account = states.get('ServiceAccount', name, namespace);
      if (!account) throw refused(request, lookUpFault(namespace, name));
      checkSecrets(pod, account.object as ServiceAccount, (why) => refused(request, why));
      return {
        guards: [{ key: states.key('ServiceAccount', name, namespace), revision: account.revision }],
        writes: [],
      };
    },
  };
}

function accountName({ serviceAccountName, serviceAccount }: Pod['spec']): string {
  return serviceAccountName || serviceAccount || 'default';
}

function lookUpFault(namespace: string, name: string): string {
  return `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`;
}

/** The pod's setting wins over the account's; the default is true. */
function mounts({ automountServiceAccountToken: ofPod }: Pod['spec'], account: ServiceAccount): boolean {
  return ofPod ?? account.automountServiceAccountToken ?? true;
}

function mountToken(spec: Pod['spec'], random: Random): void {
  const known = spec.volumes?.find(({ name }) => name?.startsWith(volumePrefix))?.name;
  const name = known ?? volumePrefix + nameSuffix(random);
  let needed = false;
  const mountIn = (container: Container): void => {
    if (!isObject(container)) return;
    const present = container.volumeMounts ?? [];
    if (present.some(({ mountPath }) => mountPath === tokenMountPath)) return;
    container.volumeMounts = [...present, { name, readOnly: true, mountPath: tokenMountPath }];
    needed = true;
  };
  spec.initContainers?.forEach(mountIn);
  spec.containers?.forEach(mountIn);
  if (needed && known === undefined) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: fileMode,
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenLife, path: 'token' } },
        { configMap: { name: rootCertificateName, items: [{ key: rootCertificateKey, path: rootCertificateKey }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  };
}

function checkMirror(request: AdmissionRequest, { spec }: Pod): void {
  if (spec.serviceAccountName || spec.serviceAccount) {
    throw refused(request, 'a mirror pod may not reference service accounts');
  }
  const asks = spec.volumes?.some(({ projected }) => projected?.sources?.some((source) => source.serviceAccountToken));
  if (asks) throw refused(request, 'a mirror pod may not use ServiceAccountToken volume projections');
}

function refused({ entry, name }: AdmissionRequest, why: string): Error {
  return forbidden(entry, name, why);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
