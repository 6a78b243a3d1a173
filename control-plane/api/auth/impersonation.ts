import { ApiError } from '../../../shared/errors.ts';
import { anonymous } from './authentication.ts';
import { forbiddenError } from './authorizer.ts';
import { type Attributes, type Authorizer, groups } from './identity.ts';
import type { Requester } from './requester.ts';
import { serviceAccountGroups, serviceAccountOf } from './service-accounts.ts';

/** The user whom a request impersonates. */
export interface Impersonation {
  readonly user: string;
  /** Undefined: the default groups of the user. */
  readonly groups?: readonly string[];
  readonly uid?: string;
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** The most groups and extra values of a request: each is authorized by itself. */
const maxValues = 256;

const userHeader = 'impersonate-user';
const groupHeader = 'impersonate-group';
const uidHeader = 'impersonate-uid';
const extraPrefix = 'impersonate-extra-';

/** Reads `Impersonate-*`, from HTTP headers or gRPC metadata: names in lower case, each with its values. Throws BadRequest. */
export function impersonationOf(headers: Readonly<Record<string, readonly string[] | undefined>>): Impersonation {
  const [user = ''] = headers[userHeader] ?? [];
  const [uid] = headers[uidHeader] ?? [];
  const named = headers[groupHeader];
  const extra: Record<string, readonly string[]> = {};
  let values = named?.length ?? 0;
  for (const [name, given = []] of Object.entries(headers)) {
    if (!name.startsWith(extraPrefix)) continue;
    extra[unescaped(name.slice(extraPrefix.length))] = given;
    values += given.length;
  }
  if (user === '') {
    const what = named?.length ? `groups ${JSON.stringify(named)}` : uid ? `uid "${uid}"` : 'extra fields';
    throw new ApiError('BadRequest', `requested ${what} without impersonating a user`);
  }
  if (values > maxValues)
    throw new ApiError('BadRequest', `at most ${maxValues} groups and extra fields can be impersonated`);
  return { user, groups: named?.length ? named : undefined, uid: uid || undefined, extra };
}

/** Needs the verb `impersonate` on each part of the user. Throws Forbidden for the first part that is not allowed. */
export function impersonate(requester: Requester, wanted: Impersonation, authorizer: Authorizer): Requester {
  const { identity, credential } = requester;
  for (const attributes of attributesOf(wanted)) {
    const decision = authorizer.authorize(identity, attributes);
    if (!decision.allowed) throw forbiddenError(identity, attributes, decision.reason);
  }
  const hasExtra = Object.keys(wanted.extra).length > 0;
  return {
    identity: {
      user: wanted.user,
      groups: groupsOf(wanted),
      ...(wanted.uid ? { uid: wanted.uid } : {}),
      ...(hasExtra ? { extra: wanted.extra } : {}),
    },
    impersonator: identity,
    ...(credential ? { credential } : {}),
  };
}

const authenticationGroup = 'authentication.k8s.io';

/** apiserver, `endpoints/filters/impersonation.go`. */
function* attributesOf({ user, groups: named = [], uid, extra }: Impersonation): Generator<Attributes> {
  const verb = 'impersonate';
  const account = serviceAccountOf(user);
  if (account) yield { verb, group: '', resource: 'serviceaccounts', ...account };
  else yield { verb, group: '', resource: 'users', name: user };
  for (const name of named) yield { verb, group: '', resource: 'groups', name };
  for (const [subresource, values] of Object.entries(extra)) {
    for (const name of values) yield { verb, group: authenticationGroup, resource: 'userextras', subresource, name };
  }
  if (uid) yield { verb, group: authenticationGroup, resource: 'uids', name: uid };
}

function groupsOf({ user, groups: named }: Impersonation): readonly string[] {
  const account = serviceAccountOf(user);
  const own = named ?? (account ? serviceAccountGroups(account.namespace) : []);
  if (user === anonymous.user) {
    return own.includes(groups.unauthenticated) ? own : [...own, groups.unauthenticated];
  }
  const said = own.includes(groups.authenticated) || own.includes(groups.unauthenticated);
  return said ? own : [...own, groups.authenticated];
}

/** Decodes a percent-encoded key or value; one that is not encoded stays as it is. */
export function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
