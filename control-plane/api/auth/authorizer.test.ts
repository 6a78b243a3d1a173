import { describe, expect, test } from 'vitest';
import type { Pod } from '../../../shared/generated/types.ts';
import type { ObjectStore } from '../../../shared/informer.ts';
import { bootstrapRbac } from '../../../test/support/rbac.ts';
import { anonymous } from './authentication.ts';
import { createAuthorizer, forbiddenError } from './authorizer.ts';
import { type Attributes, component, type Decision, type Identity } from './identity.ts';

function pod(name: string, nodeName: string | undefined, more: Partial<Pod['metadata']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: name, resourceVersion: '1', creationTimestamp: '', ...more },
    spec: {
      nodeName,
      serviceAccountName: nodeName === 'b' ? 'their-robot' : 'robot',
      containers: [{ name: 'main', env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'db', key: 'p' } } }] }],
      volumes: [{ name: 'v', configMap: { name: 'settings' } }],
    },
  } as Pod;
}

const pods = [
  pod('mine', 'a'),
  pod('leaving', 'a', { deletionTimestamp: '2026-01-01T00:00:00Z' }),
  pod('theirs', 'b'),
  pod('unbound', undefined),
];
const store: Pick<ObjectStore<Pod>, 'get' | 'by'> = {
  get: (key) => pods.find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === key),
  by: (_index, value) => pods.filter(({ spec }) => spec?.nodeName === value),
};
const authorizer = createAuthorizer({ pods: store, rbac: bootstrapRbac() });
const nodeA: Identity = { user: 'system:node:a', groups: ['system:nodes', 'system:authenticated'] };

/** `get pods/status default/mine`, `list nodes`, with the group in front: `apps:deployments`. */
function ask(identity: Identity, text: string): boolean {
  return decide(identity, text).allowed;
}

function decide(identity: Identity, text: string): Decision {
  const [verb = '', what = '', where = ''] = text.split(' ');
  const [group, plural] = what.includes(':') ? what.split(':') : ['', what];
  const [resource = '', subresource] = (plural ?? '').split('/');
  const [namespace, name] = where.includes('/') ? where.split('/') : [undefined, where];
  const attributes: Attributes = {
    verb,
    group: group ?? '',
    resource,
    subresource,
    namespace,
    name: name || undefined,
  };
  return authorizer.authorize(identity, attributes);
}

describe('a node', () => {
  test.each([
    'get nodes a',
    'list nodes a',
    'patch nodes/status a',
    // Which Node it is, and what is written into it, admission looks at; the same goes for its pods.
    'create nodes',
    'patch nodes a',
    'create pods default/',
    'delete pods default/mine',
    'update pods/status default/mine',
    'patch pods/status default/mine',
    'create pods/eviction default/mine',
    'get pods default/mine',
    'list pods default/mine',
    'get secrets default/db',
    'watch secrets default/db',
    'list configmaps default/settings',
    'get coordination.k8s.io:leases kube-node-lease/a',
    'update coordination.k8s.io:leases kube-node-lease/a',
    'create coordination.k8s.io:leases kube-node-lease/',
    'get storage.k8s.io:csinodes a',
    'create serviceaccounts/token default/robot',
    'create events default/',
    'create events.k8s.io:events default/',
    'list services',
    'create certificates.k8s.io:certificatesigningrequests',
    'create authentication.k8s.io:tokenreviews',
    'watch node.k8s.io:runtimeclasses',
  ])('may %s', (request) => {
    expect(ask(nodeA, request)).toBe(true);
  });

  test.each([
    ['get nodes b', "node 'a' cannot read 'b', only its own Node object"],
    ['list nodes', "node 'a' cannot read all nodes, only its own Node object"],
    ['delete nodes a', ''],
    ['get pods default/theirs', "no relationship found between node 'a' and this object"],
    ['get pods default/unbound', "no relationship found between node 'a' and this object"],
    ['get pods default/absent', "no relationship found between node 'a' and this object"],
    ['list pods default/', 'can only list/watch pods with spec.nodeName field selector'],
    ['create pods/binding default/unbound', ''],
    ['update pods default/mine', ''],
    ['get pods/log default/mine', ''],
    ['get secrets default/other', "no relationship found between node 'a' and this object"],
    ['get secrets kube-system/db', "no relationship found between node 'a' and this object"],
    ['list secrets default/', 'No Object name found'],
    ['list secrets', 'can only read namespaced object of this type'],
    ['update secrets default/db', 'can only read resources of this type'],
    ['get persistentvolumeclaims default/data', "no relationship found between node 'a' and this object"],
    ['list persistentvolumes', 'can only get individual resources of this type'],
    [
      'update coordination.k8s.io:leases kube-node-lease/b',
      'can only access node lease with the same name as the requesting node',
    ],
    ['update coordination.k8s.io:leases default/a', 'can only access leases in the "kube-node-lease" system namespace'],
    ['list coordination.k8s.io:leases kube-node-lease/', 'can only get, create, update, patch, or delete a node lease'],
    ['delete storage.k8s.io:csinodes b', 'can only access CSINode with the same name as the requesting node'],
    ['get coracle.io:jointokens abcdef', ''],
    ['list events default/', ''],
    ['get apps:deployments default/web', ''],
    ['create serviceaccounts/token default/their-robot', "no relationship found between node 'a' and this object"],
    ['create serviceaccounts/token kube-system/robot', "no relationship found between node 'a' and this object"],
    ['create serviceaccounts default/', 'can only create tokens for individual service accounts'],
    ['get serviceaccounts default/robot', 'can only create tokens for individual service accounts'],
  ])('may not %s', (request, reason) => {
    expect(decide(nodeA, request)).toEqual({ allowed: false, reason });
  });

  test('may list and watch the pods that are bound to it', () => {
    const list = { verb: 'list', group: '', resource: 'pods' };
    const of = (value: string, equal = true) =>
      authorizer.authorize(nodeA, { ...list, fields: [{ path: 'spec.nodeName', equal, value }] }).allowed;
    expect([of('a'), of('b'), of('a', false)]).toEqual([true, false, false]);
  });

  test('is a node only when both its name and its group match', () => {
    expect(ask({ user: 'system:node:a', groups: ['system:authenticated'] }, 'get nodes a')).toBe(false);
    expect(ask({ user: 'a', groups: ['system:nodes'] }, 'get nodes a')).toBe(false);
  });
});

test('masters may do everything', () => {
  expect(ask(component('scheduler'), 'create pods/binding default/unbound')).toBe(true);
  expect(ask({ user: 'ann', groups: ['system:masters'] }, 'delete nodes a')).toBe(true);
});

test('the rules of masters are those of their roles, listed once', () => {
  const rules = [{ verbs: ['*'], nonResourceURLs: ['*'] }];
  const rbac = { rulesOf: () => ({ rules, errors: [] }), authorize: () => ({ allowed: false, reason: '' }) as const };
  const authorizer = createAuthorizer({ pods: store, rbac });
  expect(authorizer.rulesOf?.({ user: 'ann', groups: ['system:masters'] }, 'default').rules).toEqual(rules);
});

test('others are refused in the words of Kubernetes', () => {
  const ann: Identity = { user: 'ann', groups: ['system:authenticated'] };
  const list: Attributes = { verb: 'list', group: '', resource: 'pods', namespace: 'default' };
  const decision = authorizer.authorize(ann, list);
  expect(decision).toMatchObject({ allowed: false });
  expect(forbiddenError(ann, list, decision.reason ?? '').message).toBe(
    'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "default"',
  );
  const get: Attributes = { verb: 'get', group: 'apps', resource: 'deployments', subresource: 'scale', name: 'web' };
  const other = authorizer.authorize(ann, get);
  expect(forbiddenError(ann, get, other.reason ?? '').message).toBe(
    'deployments.apps "web" is forbidden: User "ann" cannot get resource "deployments/scale" in API group "apps" at the cluster scope',
  );
});

test('authenticated users may read discovery, anonymous ones only version and health, as in Kubernetes’ default roles', () => {
  const path = (identity: Identity, at: string, verb = 'get') =>
    authorizer.authorize(identity, { verb, group: '', resource: '', path: at }).allowed;
  const ann: Identity = { user: 'ann', groups: ['system:authenticated'] };
  expect(path(ann, '/apis/apps/v1')).toBe(true);
  expect(path(ann, '/openapi/v2')).toBe(true);
  expect(path(ann, '/apisecrets')).toBe(false);
  expect(path(ann, '/metrics')).toBe(false);
  expect(path(ann, '/version', 'post')).toBe(false);
  expect(path(anonymous, '/version')).toBe(true);
  expect(path(anonymous, '/livez')).toBe(true);
  expect(path(anonymous, '/livez/ping')).toBe(false);
  expect(path(anonymous, '/api')).toBe(false);
  expect(path({ user: 'prometheus', groups: ['system:monitoring'] }, '/metrics')).toBe(true);
});

test('authenticated users may create self subject reviews', () => {
  const ann: Identity = { user: 'ann', groups: ['system:authenticated'] };
  expect(ask(ann, 'create authorization.k8s.io:selfsubjectaccessreviews')).toBe(true);
  expect(ask(ann, 'create authentication.k8s.io:selfsubjectreviews')).toBe(true);
  expect(ask(ann, 'create authorization.k8s.io:subjectaccessreviews')).toBe(false);
  expect(ask(anonymous, 'create authorization.k8s.io:selfsubjectaccessreviews')).toBe(false);
});

test('a node’s roles add to its node permissions, and a refusal names both', () => {
  const rulesOf = () => ({ rules: [], errors: [] });
  const rbac = {
    rulesOf,
    authorize: () => ({ allowed: false, reason: 'RBAC: role.rbac.authorization.k8s.io "x" not found' }) as const,
  };
  const own = createAuthorizer({ pods: store, rbac });
  const get: Attributes = { verb: 'get', group: '', resource: 'pods', namespace: 'default', name: 'theirs' };
  expect(own.authorize(nodeA, get)).toEqual({
    allowed: false,
    reason:
      'no relationship found between node \'a\' and this object\nRBAC: role.rbac.authorization.k8s.io "x" not found',
  });
  const generous = createAuthorizer({ pods: store, rbac: { rulesOf, authorize: () => ({ allowed: true }) } });
  expect(generous.authorize(nodeA, get).allowed).toBe(true);
});
