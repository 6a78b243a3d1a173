import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PolicyRule, Subject } from '../../../../shared/generated/types.ts';
import type { Change } from '../../../../shared/informer.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { asked, binding, role, roleSourceOf } from '../../../../test/support/rbac.ts';
import type { Identity } from '../identity.ts';
import { unbounded, uncoveredBy } from './coverage.ts';
import { RbacIndex, rbacIndexOf } from './rbac-index.ts';
import { resolveRules } from './resolve.ts';
import { compacted, ruleAllows, ruleText } from './rules.ts';

describe('a rule', () => {
  const pods: PolicyRule = { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] };
  const all: PolicyRule = { apiGroups: ['*'], resources: ['*'], verbs: ['*'] };
  const scales: PolicyRule = { apiGroups: ['*'], resources: ['*/scale'], verbs: ['update'] };
  const named: PolicyRule = { ...pods, resourceNames: ['a'] };
  const urls: PolicyRule = { nonResourceURLs: ['/healthz', '/apis/*'], verbs: ['get'] };

  test.each([
    [pods, 'get pods a', true],
    [pods, 'list pods', true],
    [pods, 'delete pods a', false],
    [pods, 'get apps:pods a', false],
    [pods, 'get pods/log a', false],
    [{ ...pods, resources: ['pods/*'] }, 'get pods/log a', false],
    [{ ...pods, resources: ['pods/log'] }, 'get pods/log a', true],
    [{ ...pods, resources: ['pods/log'] }, 'get pods a', false],
    [all, 'escalate rbac.authorization.k8s.io:clusterroles a', true],
    [all, 'get pods/log a', true],
    [all, 'get /healthz', false],
    [scales, 'update apps:deployments/scale a', true],
    [scales, 'update apps:deployments a', false],
    [named, 'get pods a', true],
    [named, 'get pods b', false],
    [named, 'list pods', false],
    [urls, 'get /healthz', true],
    [urls, 'get /healthz/ping', false],
    [urls, 'get /apis/apps/v1', true],
    [urls, 'get /apis', false],
    [urls, 'post /apis/apps/v1', false],
    [{ ...urls, nonResourceURLs: ['*'] }, 'get /anything', true],
    [urls, 'get pods a', false],
  ] as const)('%j on `%s`: %s', (rule, request, allowed) => {
    expect(ruleAllows(rule as PolicyRule, asked(request))).toBe(allowed);
  });
});

test('permissions that a rule does not cover are named by resource, with their verbs together', () => {
  const held: PolicyRule[] = [
    { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
    { apiGroups: ['apps'], resources: ['*/scale'], verbs: ['*'] },
    { nonResourceURLs: ['/apis/*'], verbs: ['get'] },
  ];
  const wanted: PolicyRule[] = [
    { apiGroups: ['', 'apps'], resources: ['pods', 'deployments/scale'], verbs: ['get', 'list'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: ['a'] },
    { apiGroups: [''], resources: ['secrets'], verbs: ['get'], resourceNames: ['s', 't'] },
    { apiGroups: [''], resources: ['secrets'], verbs: ['list', 'watch'] },
    { nonResourceURLs: ['/apis/apps', '/metrics', '/logs'], verbs: ['get'] },
  ];
  expect(
    compacted(uncoveredBy(held, wanted, unbounded).parts)
      .map(ruleText)
      .sort(),
  ).toEqual([
    '{APIGroups:[""], Resources:["deployments/scale"], Verbs:["get" "list"]}',
    '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}',
    '{APIGroups:[""], Resources:["secrets"], ResourceNames:["s"], Verbs:["get"]}',
    '{APIGroups:[""], Resources:["secrets"], ResourceNames:["t"], Verbs:["get"]}',
    '{APIGroups:[""], Resources:["secrets"], Verbs:["list" "watch"]}',
    '{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "list"]}',
    '{NonResourceURLs:["/logs"], Verbs:["get"]}',
    '{NonResourceURLs:["/metrics"], Verbs:["get"]}',
  ]);
});

describe('the index', () => {
  const ann: Identity = { user: 'ann', groups: ['devs', 'system:authenticated'] };
  const view = role('view', [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]);

  test('names the binding that allowed it, or the missing role', () => {
    const index = rbacIndexOf([
      view,
      binding('readers', 'ClusterRole view', [{ kind: 'Group', name: 'devs' }], 'default'),
      binding('gone', 'Role gone', [{ kind: 'User', name: 'ann' }], 'default'),
    ]);
    expect(index.authorize(ann, asked('get pods a', 'default'))).toMatchObject({
      allowed: true,
      reason: 'RBAC: allowed by RoleBinding "readers/default" of ClusterRole "view" to Group "devs"',
    });
    expect(index.authorize(ann, asked('list pods', 'default'))).toEqual({
      allowed: false,
      reason: 'RBAC: role.rbac.authorization.k8s.io "gone" not found',
    });
    expect(index.authorize(ann, asked('get pods a', 'other'))).toEqual({ allowed: false, reason: '' });
    expect(index.authorize(ann, asked('get pods a'))).toEqual({ allowed: false, reason: '' });
  });

  test('matches a service account by its user name, in the binding’s namespace unless another is named', () => {
    const index = rbacIndexOf([
      view,
      binding('b', 'ClusterRole view', [{ kind: 'ServiceAccount', name: 'ci' }], 'default'),
      binding('c', 'ClusterRole view', [{ kind: 'ServiceAccount', name: 'ci', namespace: 'build' }], 'other'),
    ]);
    const account = (namespace: string): Identity => ({ user: `system:serviceaccount:${namespace}:ci`, groups: [] });
    expect(index.authorize(account('default'), asked('get pods a', 'default')).allowed).toBe(true);
    expect(index.authorize(account('build'), asked('get pods a', 'default')).allowed).toBe(false);
    expect(index.authorize(account('build'), asked('get pods a', 'other')).allowed).toBe(true);
  });

  test('names the subject and the location of a binding as Kubernetes does', () => {
    const accounts: Subject[] = [
      { kind: 'ServiceAccount', name: 'ci' },
      { kind: 'ServiceAccount', name: 'ci', namespace: 'build' },
    ];
    const index = rbacIndexOf([
      view,
      binding('local', 'ClusterRole view', accounts, 'default'),
      binding('wide', 'ClusterRole view', [{ kind: 'User', name: 'bob' }]),
    ]);
    const reason = (user: string) => index.authorize({ user, groups: [] }, asked('get pods a', 'default')).reason;
    expect(reason('system:serviceaccount:default:ci')).toBe(
      'RBAC: allowed by RoleBinding "local/default" of ClusterRole "view" to ServiceAccount "ci/default"',
    );
    expect(reason('system:serviceaccount:build:ci')).toBe(
      'RBAC: allowed by RoleBinding "local/default" of ClusterRole "view" to ServiceAccount "ci/build"',
    );
    expect(reason('bob')).toBe('RBAC: allowed by ClusterRoleBinding "wide" of ClusterRole "view" to User "bob"');
  });

  test('grants nothing to subjects of unknown kinds, nor to service accounts without a namespace', () => {
    const subjects: Subject[] = [
      { kind: 'Robot', name: 'ci', namespace: 'default' },
      { kind: 'ServiceAccount', name: 'ci' },
    ];
    const index = rbacIndexOf([view, binding('wide', 'ClusterRole view', subjects)]);
    for (const user of ['ci', 'system:serviceaccount:default:ci', 'system:serviceaccount::ci']) {
      expect(index.authorize({ user, groups: ['ci'] }, asked('get pods a', 'default')).allowed).toBe(false);
    }
  });

  test('checks every role of the user, and names each missing one once', () => {
    const index = rbacIndexOf([
      view,
      role('edit', [{ apiGroups: [''], resources: ['pods'], verbs: ['delete'] }], 'default'),
      binding('a', 'Role gone', [{ kind: 'User', name: 'ann' }], 'default'),
      binding('b', 'ClusterRole lost', [{ kind: 'Group', name: 'devs' }]),
      binding('c', 'ClusterRole lost', [{ kind: 'User', name: 'ann' }], 'default'),
      binding('d', 'ClusterRole view', [{ kind: 'User', name: 'ann' }], 'default'),
      binding('e', 'Role edit', [{ kind: 'User', name: 'ann' }], 'default'),
    ]);
    expect(index.authorize(ann, asked('get pods a', 'default')).allowed).toBe(true);
    expect(index.authorize(ann, asked('delete pods a', 'default')).allowed).toBe(true);
    const rbac = 'rbac.authorization.k8s.io';
    expect(index.authorize(ann, asked('create pods', 'default')).reason).toBe(
      `RBAC: [clusterrole.${rbac} "lost" not found, role.${rbac} "gone" not found]`,
    );
  });

  test('grants a role as long as one of two bindings exists', () => {
    const bindings = ['a', 'b'].map((called) =>
      binding(called, 'ClusterRole view', [{ kind: 'User', name: 'ann' }], 'default'),
    );
    const index = rbacIndexOf([view, ...bindings]);
    const allowed = () => index.authorize(ann, asked('get pods a', 'default'));
    const remove = (before: unknown) => index.apply([{ kind: 'RoleBinding', key: '', before } as Change]);
    remove(bindings[0]);
    expect(allowed()).toMatchObject({ allowed: true, reason: expect.stringContaining('"b/default"') });
    remove(bindings[0]);
    expect(allowed().allowed).toBe(true);
    remove(bindings[1]);
    expect(allowed().allowed).toBe(false);
  });

  test('revokes the rules of a role that is deleted or changed', () => {
    const index = rbacIndexOf([view, binding('b', 'ClusterRole view', [{ kind: 'User', name: 'ann' }])]);
    const allowed = () => index.authorize(ann, asked('get pods a')).allowed;
    const change = (before?: KubeObject, after?: KubeObject) =>
      index.apply([{ kind: 'ClusterRole', key: '', before, after } as unknown as Change]);
    expect(allowed()).toBe(true);
    change(view, role('view', []));
    expect(allowed()).toBe(false);
    change(view, view);
    expect(allowed()).toBe(true);
    change(view);
    expect(allowed()).toBe(false);
    expect(index.rulesOf(ann, 'default').errors).toEqual([expect.stringContaining('"view" not found')]);
  });

  test('passes over roles without rules and bindings without subjects, and forgets them', () => {
    const { rules: _none, ...empty } = role('empty', []) as KubeObject & { rules: unknown };
    const { subjects: _nobody, ...unbound } = binding('nobody', 'ClusterRole view', [], 'default');
    const bound = binding('b', 'ClusterRole empty', [{ kind: 'User', name: 'ann' }], 'default');
    const index = rbacIndexOf([view, empty, unbound, bound]);
    expect(index.authorize(ann, asked('get pods a', 'default'))).toEqual({ allowed: false, reason: '' });
    expect(index.rulesOf(ann, 'default')).toEqual({ rules: [], errors: [] });
    index.apply([{ kind: 'RoleBinding', key: '', before: unbound } as unknown as Change]);
    index.apply([{ kind: 'ConfigMap', key: '', after: view } as unknown as Change]);
    expect(index.rulesOf(ann, 'default')).toEqual({ rules: [], errors: [] });
  });

  test('does not mind the end of a binding that it has never seen', () => {
    const index = rbacIndexOf([view, binding('b', 'ClusterRole view', [{ kind: 'User', name: 'ann' }], 'default')]);
    for (const before of [
      binding('b', 'ClusterRole other', [{ kind: 'User', name: 'ann' }], 'default'),
      binding('b', 'ClusterRole view', [{ kind: 'User', name: 'bob' }], 'default'),
      binding('b', 'ClusterRole view', [{ kind: 'User', name: 'ann' }], 'elsewhere'),
    ]) {
      index.apply([{ kind: 'RoleBinding', key: '', before } as unknown as Change]);
    }
    expect(index.authorize(ann, asked('get pods a', 'default')).allowed).toBe(true);
  });

  test('names the first subject of a binding that means the same identity', () => {
    const twice: Subject[] = [
      { kind: 'ServiceAccount', name: 'ci', namespace: 'default' },
      { kind: 'User', name: 'system:serviceaccount:default:ci' },
    ];
    const index = rbacIndexOf([view, binding('b', 'ClusterRole view', twice, 'default')]);
    const identity = { user: 'system:serviceaccount:default:ci', groups: [] };
    expect(index.authorize(identity, asked('get pods a', 'default')).reason).toContain('ServiceAccount "ci/default"');
  });
});

const names = ['a', 'b', 'c'];
const namespaces = ['n', 'm'];
const name = fc.constantFrom(...names);
const scope = fc.constantFrom(undefined, ...namespaces);
const word = fc.constantFrom('get', 'list', '*');
const ruleArbitrary: fc.Arbitrary<PolicyRule> = fc.record({
  verbs: fc.array(word, { minLength: 1, maxLength: 2 }),
  apiGroups: fc.array(fc.constantFrom('', 'apps', '*'), { minLength: 1, maxLength: 2 }),
  resources: fc.array(fc.constantFrom('pods', 'pods/log', '*/log', '*'), { minLength: 1, maxLength: 2 }),
});
const roleArbitrary = fc
  .tuple(name, fc.array(ruleArbitrary, { maxLength: 2 }), scope)
  .map(([called, rules, where]) => role(called, rules, where));
const subjectArbitrary: fc.Arbitrary<Subject> = fc.oneof(
  name.map((called) => ({ kind: 'User', name: called })),
  name.map((called) => ({ kind: 'Group', name: called })),
  fc.tuple(name, scope).map(([called, namespace]) => ({ kind: 'ServiceAccount', name: called, namespace })),
);
const bindingArbitrary = fc
  .tuple(name, fc.boolean(), name, fc.array(subjectArbitrary, { maxLength: 3 }), scope)
  .map(([called, local, to, subjects, where]) =>
    binding(called, `${local && where ? 'Role' : 'ClusterRole'} ${to}`, subjects, where),
  );
const stepArbitrary = fc.tuple(fc.boolean(), fc.oneof(roleArbitrary, bindingArbitrary as fc.Arbitrary<KubeObject>));
const identityArbitrary: fc.Arbitrary<Identity> = fc.record({
  user: fc.constantFrom(...names, 'system:serviceaccount:n:a', 'system:serviceaccount:m:b'),
  groups: fc.uniqueArray(name, { maxLength: 2 }),
});

test('however roles and bindings come and go, the index decides as a look at all of them does', () => {
  fc.assert(
    fc.property(
      fc.array(stepArbitrary, { maxLength: 30 }),
      identityArbitrary,
      scope,
      fc.constantFrom('get pods x', 'list apps:pods', 'get pods/log x', 'list apps:others/log x'),
      (steps, identity, namespace, request) => {
        const present = new Map<string, KubeObject>();
        const index = new RbacIndex();
        for (const [stays, object] of steps) {
          const key = `${object.kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`;
          const before = present.get(key);
          if (stays) present.set(key, object);
          else present.delete(key);
          const change = { kind: object.kind, key, before, after: stays ? object : undefined };
          if (before || stays) index.apply([change as unknown as Change]);
        }
        const attributes = asked(request, namespace);
        const source = roleSourceOf([...present.values()]);
        const held = resolveRules(identity, namespace, source);
        const decision = index.authorize(identity, attributes);
        expect(decision.allowed).toBe(held.rules.some((one) => ruleAllows(one, attributes)));
        const own = index.rulesOf(identity, namespace);
        expect(new Set(own.rules.map(ruleText))).toEqual(new Set(held.rules.map(ruleText)));
        expect(new Set(own.errors)).toEqual(new Set(held.errors));
      },
    ),
    { numRuns: 1_000 },
  );
});

test('a decision takes microseconds among thousands of bindings for others', () => {
  const others = Array.from({ length: 5_000 }, (_, i) =>
    binding(`b${i}`, 'ClusterRole view', [{ kind: 'User', name: `user-${i}` }], i % 2 ? 'default' : undefined),
  );
  const view = role('view', [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]);
  const index = rbacIndexOf([view, ...others]);
  const identity: Identity = { user: 'user-4999', groups: ['system:authenticated'] };
  const attributes = asked('list pods', 'default');
  const started = performance.now();
  for (let i = 0; i < 10_000; i++) index.authorize(identity, attributes);
  expect((performance.now() - started) / 10).toBeLessThan(100);
});
