import { formatTime } from '../../../../shared/clock.ts';
import type {
  AuthenticationV1TokenRequest,
  BoundObjectReference,
  Kind,
  KindMap,
  ServiceAccount,
  StatusCause,
} from '../../../../shared/generated/types.ts';
import { validateTokenRequest } from '../../../../shared/kinds/reviews/reviews.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { isRecord } from '../../../../shared/records.ts';
import { invalid, invalidError } from '../../../../shared/schema/causes.ts';
import { decodeMessage } from '../../../../shared/schema/proto/decode.ts';
import { applyDefaults } from '../../../../shared/schema/proto/defaults.ts';
import { objectKey } from '../../../store/keys.ts';
import type { MutateOptions } from '../../api.ts';
import { nodeNameOf } from '../../auth/authentication.ts';
import type { Bound } from '../../auth/tokens/claims.ts';
import type { ServiceAccountTokens } from '../../auth/tokens/service-account-tokens.ts';
import type { Core } from '../../requests/core.ts';
import { badRequest, conflict, forbidden, groupVersionKind, notAllowed, notFound } from '../../requests/refusals.ts';
import { attributesOf, type ObjectRequest, type WriteRequest } from '../../requests/request.ts';
import type { SubresourceHandler } from '../../requests/subresource.ts';

const message = 'k8s.io.api.authentication.v1.TokenRequest';
const kind = { kind: 'TokenRequest', group: 'authentication.k8s.io' };

type TokenRequest = AuthenticationV1TokenRequest;

/** `POST serviceaccounts/NAME/token` (Kubernetes, `registry/core/serviceaccount/storage/token.go`). */
export function serviceAccountToken(tokens: TokenIssuer | undefined): SubresourceHandler {
  return {
    async create(request, body) {
      const { core, context } = request;
      core.authorize(context, 'create', attributesOf(request));
      if (!tokens) throw notAllowed();
      return { object: await issue(tokens, request, body), outcome: 'created' };
    },
  };
}

async function issue(tokens: TokenIssuer, request: WriteRequest, body: unknown): Promise<KubeObject> {
  const { core, context, def, namespace, name, options } = request;
  const wanted = decodeRequest(body, options, context.warnings);
  checkName(wanted, request);
  const account = (await current(core, 'ServiceAccount', name, namespace)) as ServiceAccount | undefined;
  if (!account) throw notFound(def, name);

  const { spec, metadata } = wanted;
  const audiences = spec.audiences?.length ? spec.audiences : tokens.audiences;
  const causes: StatusCause[] = [];
  validateTokenRequest(wanted, causes);
  if (causes.length > 0) throw invalidError(kind, '', causes);
  await checkNode(request, spec.boundObjectRef);
  const bound = await boundBy(request, spec.boundObjectRef);

  const life = spec.expirationSeconds ?? 0;
  const creationTimestamp = formatTime(core.clock.now());
  const { token, expires } = await tokens.issue(account, bound, audiences, life);
  return {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { ...metadata, name, namespace, creationTimestamp },
    spec: { ...spec, audiences: [...audiences] },
    // A dry run issues no token.
    status: { token: options.dryRun ? '' : token, expirationTimestamp: formatTime(expires) },
  } as KubeObject;
}

/** What the handler needs of the issuer of tokens. */
export type TokenIssuer = Pick<ServiceAccountTokens, 'audiences' | 'issue'>;

function decodeRequest(body: unknown, options: MutateOptions, warnings: string[]): TokenRequest {
  const { apiVersion = 'authentication.k8s.io/v1', kind: of = kind.kind, ...rest } = isRecord(body) ? body : {};
  if (!isRecord(body) || of !== kind.kind || apiVersion !== 'authentication.k8s.io/v1') {
    throw badRequest('the body must be a TokenRequest of authentication.k8s.io/v1');
  }
  const { fieldValidation: validation, duplicates } = options;
  const decoded = decodeMessage(message, rest, { validation, duplicates }, { kind: kind.kind, version: 'v1' });
  warnings.push(...decoded.warnings);
  applyDefaults(message, decoded.object);
  return decoded.object as unknown as TokenRequest;
}

function checkName({ metadata }: TokenRequest, target: ObjectRequest): void {
  const causes: StatusCause[] = [];
  const { name, namespace } = metadata ?? {};
  if (name && name !== target.name) {
    causes.push(invalid('metadata.name', name, 'must match the service account name if specified'));
  }
  if (namespace && namespace !== target.namespace) {
    causes.push(invalid('metadata.namespace', namespace, 'must match the service account namespace if specified'));
  }
  if (causes.length > 0) throw invalidError(kind, target.name, causes);
}

/**
 * A node may request tokens only for its own pods (Kubernetes' NodeRestriction). The authorizer has checked that one of them runs
 * as the account.
 */
async function checkNode(request: ObjectRequest, ref: BoundObjectReference | undefined): Promise<void> {
  const { core, context, namespace, name } = request;
  const node = nodeNameOf(context.identity);
  if (node === undefined) return;
  const refused = (why: string) => forbidden({ plural: 'serviceaccounts', group: '' }, name, why);
  if (ref?.kind !== 'Pod' || ref.apiVersion !== 'v1' || !ref.name)
    throw refused('node requested token not bound to a pod');
  if (!ref.uid) throw refused('node requested token with a pod binding without a uid');
  const pod = await current(core, 'Pod', ref.name, namespace);
  if (!pod) throw notFound(core.kind('Pod'), ref.name);
  if (pod.metadata.uid !== ref.uid) throw refused(otherUid(ref.uid));
  if (pod.spec.nodeName !== node) throw refused('node requested token bound to a pod scheduled on a different node');
}

async function boundBy(request: ObjectRequest, ref: BoundObjectReference | undefined): Promise<Bound> {
  const { core, namespace, name } = request;
  if (!ref) return {};
  const { apiVersion = '', kind: of = '', uid } = ref;
  const what = apiVersion === 'v1' ? of : '';
  const cluster = what === 'Node';
  if (what !== 'Pod' && what !== 'Secret' && !cluster) {
    throw badRequest(`cannot bind token to object of type ${groupVersionKind(apiVersion, of)}`);
  }
  const found = await current(core, what, ref.name ?? '', cluster ? undefined : namespace);
  if (!found) throw notFound(core.kind(what), ref.name ?? '');
  if (found.kind === 'Pod' && found.spec.serviceAccountName !== name) {
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(name)} to pod running with different serviceaccount name.`,
    );
  }
  if (uid && uid !== found.metadata.uid) {
    throw conflict({ plural: what, group: '' }, ref.name ?? '', otherUid(uid));
  }
  if (found.kind === 'Secret') return { secret: found };
  if (found.kind === 'Node') return { node: found };
  const { nodeName } = found.spec;
  if (!nodeName) return { pod: found };
  return { pod: found, node: (await current(core, 'Node', nodeName)) ?? { metadata: { name: nodeName } } };
}

function otherUid(uid: string): string {
  return `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`;
}

/** The cached object, else that of the store. */
async function current<K extends Kind>(
  core: Core,
  of: K,
  name: string,
  namespace?: string,
): Promise<KindMap[K] | undefined> {
  const def = core.kind(of);
  const state = core.cached(def, namespace, name) ?? (await core.fresh(objectKey(def, namespace, name)));
  return state?.object as KindMap[K] | undefined;
}
