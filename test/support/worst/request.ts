import type { ClientSubject } from '../../../shared/pki/certificates.ts';
import type { Answer, Caller, CallOptions } from '../server-process.ts';

/** The worst that one client can ask for in a few requests of their allowed size. */
export interface Worst {
  readonly name: string;
  /** What must be there first, as an administrator; not part of what is measured. */
  readonly before?: (call: Caller) => Promise<unknown>;
  /** Absent: an administrator. */
  readonly as?: ClientSubject;
  readonly ask: (call: Caller) => Promise<Answer>;
}

export const json = 'application/json';
export const yaml = 'application/yaml';
export const patches = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

export const maps = '/api/v1/namespaces/default/configmaps';
export const pods = '/api/v1/namespaces/default/pods';

export const typed = (type: string, body: CallOptions['body']): CallOptions => ({
  body: typeof body === 'object' && !(body instanceof Uint8Array) ? JSON.stringify(body) : body,
  headers: { 'content-type': type },
});

export const post = (name: string, path: string, body: unknown, type = json): Worst => ({
  name,
  ask: (call) => call('POST', path, typed(type, body as object)),
});

export const many = <T>(count: number, one: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => one(i));

export const keys = <T>(count: number, one: (index: number) => T, prefix = 'k'): Record<string, T> =>
  Object.fromEntries(many(count, (i) => [`${prefix}${i}`, one(i)]));

export const map = (name: string, rest: object = {}, metadata: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  ...rest,
});

export const pod = (name: string, spec: object, metadata: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...metadata },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});

export const rbac = '/apis/rbac.authorization.k8s.io/v1';

/** A rule of four lists, each so long. */
export const wide = (count: number) => ({
  apiGroups: many(count, (i) => `g${i}`),
  resources: many(count, (i) => `r${i}`),
  verbs: many(count, (i) => `v${i}`),
  resourceNames: many(count, (i) => `n${i}`),
});
