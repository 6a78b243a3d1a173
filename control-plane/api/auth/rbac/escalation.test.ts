import { describe, expect, test } from 'vitest';
import type { ClusterRole, PolicyRule, Subject } from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { binding, role, roleSourceOf } from '../../../../test/support/rbac.ts';
import type { Identity } from '../identity.ts';
import { bindingEscalation, roleEscalation } from './escalation.ts';

const ann: Identity = { user: 'ann', groups: ['devs'] };
const toAnn: Subject[] = [{ kind: 'User', name: 'ann' }];
const rbac = 'rbac.authorization.k8s.io';
const readPods: PolicyRule = { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] };
const readSecrets: PolicyRule = { apiGroups: [''], resources: ['secrets'], verbs: ['get'] };

/** The rules of ann in the namespace `a`, and further objects. */
function holding(rules: PolicyRule[], ...others: KubeObject[]) {
  return roleSourceOf([role('held', rules, 'a'), binding('held', 'Role held', toAnn, 'a'), ...others]);
}

/** The cluster-wide rules of ann, and further objects. */
function holdingEverywhere(rules: PolicyRule[], ...others: KubeObject[]) {
  return roleSourceOf([role('held', rules), binding('held', 'ClusterRole held', toAnn), ...others]);
}

const forbidden = (text: string) => ({ forbidden: expect.stringContaining(text) });

describe('a user who writes a role', () => {
  test('can grant only his own rules in its namespace; missing ones are named, rule by rule', () => {
    const source = holding([readPods]);
    expect(roleEscalation(ann, role('r', [readPods], 'a'), undefined, source)).toBeUndefined();
    expect(roleEscalation(ann, role('r', [readPods, readSecrets], 'a'), undefined, source)).toEqual({
      forbidden: [
        'user "ann" (groups=["devs"]) is attempting to grant RBAC permissions not currently held:',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
      ].join('\n'),
    });
    const configMaps = { ...readSecrets, resources: ['configmaps'] };
    expect(roleEscalation(ann, role('r', [readSecrets, configMaps], 'a'), undefined, source)).toEqual(
      forbidden('\n{APIGroups:[""], Resources:["configmaps"], Verbs:["get"]}\n{APIGroups:[""], Resources:["secrets"]'),
    );
    expect(roleEscalation(ann, role('r', [readPods], 'b'), undefined, source)).toEqual(forbidden('"pods"'));
    expect(roleEscalation(ann, role('r', [readPods]), undefined, source)).toEqual(forbidden('"pods"'));
    expect(roleEscalation(ann, role('r', [], 'b'), undefined, source)).toBeUndefined();
  });

  test('has his cluster-wide rules in each namespace', () => {
    const source = holdingEverywhere([readPods]);
    expect(roleEscalation(ann, role('r', [readPods], 'a'), undefined, source)).toBeUndefined();
    expect(roleEscalation(ann, role('r', [readPods]), undefined, source)).toBeUndefined();
  });

  test('gives whatever he likes when he may escalate that very role', () => {
    const escalate = (resource: string, names?: string[]): PolicyRule => ({
      apiGroups: [rbac],
      resources: [resource],
      verbs: ['escalate'],
      ...(names ? { resourceNames: names } : {}),
    });
    const wanted = role('r', [readSecrets], 'a');
    const verdict = (rule: PolicyRule, object = wanted) => roleEscalation(ann, object, undefined, holding([rule]));
    expect(verdict(escalate('roles'))).toBeUndefined();
    expect(verdict(escalate('roles', ['r']))).toBeUndefined();
    expect(verdict(escalate('roles', ['other']))).toEqual(forbidden('"secrets"'));
    expect(verdict(escalate('clusterroles'))).toEqual(forbidden('"secrets"'));
    expect(verdict({ ...escalate('roles'), apiGroups: ['apps'] })).toEqual(forbidden('"secrets"'));
    expect(verdict({ ...escalate('roles'), verbs: ['bind'] })).toEqual(forbidden('"secrets"'));
    expect(verdict(escalate('roles'), role('r', [readSecrets], 'b'))).toEqual(forbidden('"secrets"'));
    const everywhere = holdingEverywhere([readPods, escalate('clusterroles')]);
    expect(roleEscalation(ann, role('r', [readSecrets]), undefined, everywhere)).toBeUndefined();
  });

  test('is not checked if he is a master or a component of this process', () => {
    const source = holding([]);
    const wanted = role('r', [readSecrets], 'a');
    for (const more of [{ groups: ['devs', 'system:masters'] }, { inProcess: true } as const]) {
      expect(roleEscalation({ ...ann, ...more }, wanted, undefined, source)).toBeUndefined();
      expect(bindingEscalation({ ...ann, ...more }, binding('b', 'Role gone', [], 'a'), undefined, source)).toBe(
        undefined,
      );
    }
  });

  test('may only gather the rules of others when he holds everything', () => {
    const gathering = (selectors: object[]): ClusterRole =>
      ({ ...role('r', []), aggregationRule: { clusterRoleSelectors: selectors } }) as ClusterRole;
    const selectors = [{ matchLabels: { a: 'b' } }];
    const why = { forbidden: 'must have cluster-admin privileges to use the aggregationRule' };
    const all: PolicyRule = { apiGroups: ['*'], resources: ['*'], verbs: ['*'] };
    const paths: PolicyRule = { nonResourceURLs: ['*'], verbs: ['*'] };
    const verdict = (held: PolicyRule[], next: ClusterRole, old?: ClusterRole) =>
      roleEscalation(ann, next, old, holdingEverywhere(held));
    // The verb `*` contains `escalate`, by which any role may be written: paths alone do not matter then.
    expect(verdict([all], gathering(selectors))).toBeUndefined();
    expect(verdict([paths], gathering(selectors))).toEqual(why);
    expect(verdict([readPods], gathering(selectors))).toEqual(why);
    expect(verdict([readPods], gathering([]))).toBeUndefined();
    // Nor may he turn a gathering role into one of his own.
    expect(verdict([readPods], role('r', [readPods]) as ClusterRole, gathering(selectors))).toEqual(why);
    expect(verdict([readPods], role('r', [readPods]) as ClusterRole, role('r', []) as ClusterRole)).toBeUndefined();
  });

  test('the garbage collector may change owners and finalizers of any role, and nothing else', () => {
    const source = holding([]);
    const old = role('r', [readSecrets], 'a');
    const next = (metadata: object, more: object = {}) =>
      ({ ...old, ...more, metadata: { ...old.metadata, ...metadata } }) as typeof old;
    const released = { ownerReferences: [], finalizers: ['x/y'], managedFields: [], resourceVersion: '2' };
    expect(roleEscalation(ann, next(released), old, source)).toBeUndefined();
    expect(roleEscalation(ann, next({ labels: { a: 'b' } }), old, source)).toEqual(forbidden('"secrets"'));
    const more = { rules: [readSecrets, readPods] };
    expect(roleEscalation(ann, next(released, more), old, source)).toEqual(forbidden('"pods"'));
    const before = binding('b', 'Role r', [], 'a');
    const after = { ...before, metadata: { ...before.metadata, ...released } };
    const withOld = holding([], old);
    expect(bindingEscalation(ann, after, before, withOld)).toBeUndefined();
    expect(bindingEscalation(ann, { ...after, subjects: toAnn }, before, withOld)).toEqual(forbidden('"secrets"'));
  });

  test('sees at most 256 missing rules, and that there are more', () => {
    const verbs = Array.from({ length: 300 }, (_, i) => `v${i}`);
    const resources = verbs.map((verb) => `r-${verb}`);
    const verdict = roleEscalation(
      ann,
      role('r', [{ apiGroups: [''], resources, verbs: ['get'] }], 'a'),
      undefined,
      holding([]),
    );
    const lines = verdict && 'forbidden' in verdict ? verdict.forbidden.split('\n').slice(1) : [];
    expect(lines.filter((line) => line.startsWith('{'))).toHaveLength(256);
    expect(lines).toHaveLength(257);
  });

  test('is refused when the check would take too much work', () => {
    const few = { parts: 256, work: 3 };
    const held = [readPods, readSecrets];
    for (const bounds of [few, { ...few, work: 1_000 }]) {
      const write = roleEscalation(ann, role('r', [readPods], 'a'), undefined, holding(held), bounds);
      const bind = bindingEscalation(
        ann,
        binding('b', 'Role r', toAnn, 'a'),
        undefined,
        holding(held, role('r', [readPods], 'a')),
        bounds,
      );
      const expected = bounds === few ? forbidden('rules that need more than 3 comparisons') : undefined;
      expect([write, bind]).toEqual([expected, expected]);
    }
  });

  test('sees the missing roles in the message', () => {
    const gone = [binding('x', 'Role gone', toAnn, 'a'), binding('y', 'ClusterRole lost', toAnn, 'a')];
    expect(roleEscalation(ann, role('r', [readPods], 'a'), undefined, holding([], ...gone))).toEqual(
      forbidden(
        `\n{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}; resolution errors: [[role.${rbac} "gone" not found, clusterrole.${rbac} "lost" not found]]`,
      ),
    );
    expect(roleEscalation(ann, role('r', [readPods], 'a'), undefined, holding([]))).not.toEqual(
      forbidden('resolution errors'),
    );
  });
});

describe('a user who writes a binding', () => {
  const wide = role('wide', [readPods, readSecrets], 'a');
  const narrow = role('narrow', [readPods], 'a');

  test('binds only roles whose rules he holds', () => {
    const source = holding([readPods], wide, narrow);
    const verdict = (to: string) => bindingEscalation(ann, binding('b', to, toAnn, 'a'), undefined, source);
    expect(verdict('Role narrow')).toBeUndefined();
    expect(verdict('Role wide')).toEqual(forbidden('Resources:["secrets"]'));
    expect(verdict('Role gone')).toEqual({ missing: { apiGroup: rbac, kind: 'Role', name: 'gone' } });
  });

  test('binds any role that he may bind by name, also one that is not there yet', () => {
    const bind = (resource: string, name: string): PolicyRule => ({
      apiGroups: [rbac],
      resources: [resource],
      verbs: ['bind'],
      resourceNames: [name],
    });
    const verdict = (rule: PolicyRule, to: string) =>
      bindingEscalation(
        ann,
        binding('b', to, toAnn, 'a'),
        undefined,
        holding([rule], wide, role('wide', [readSecrets])),
      );
    expect(verdict(bind('roles', 'wide'), 'Role wide')).toBeUndefined();
    expect(verdict(bind('roles', 'later'), 'Role later')).toBeUndefined();
    expect(verdict(bind('clusterroles', 'wide'), 'ClusterRole wide')).toBeUndefined();
    expect(verdict(bind('clusterroles', 'wide'), 'Role wide')).toEqual(forbidden('"secrets"'));
    expect(verdict(bind('roles', 'wide'), 'ClusterRole wide')).toEqual(forbidden('"secrets"'));
    expect(verdict({ ...bind('roles', 'wide'), verbs: ['escalate'] }, 'Role wide')).toEqual(forbidden('"secrets"'));
  });

  test('in the whole cluster needs the rules in the whole cluster', () => {
    const cluster = role('wide', [readPods]);
    const toAll = binding('b', 'ClusterRole wide', toAnn);
    expect(bindingEscalation(ann, toAll, undefined, holding([readPods], cluster))).toEqual(forbidden('"pods"'));
    expect(bindingEscalation(ann, toAll, undefined, holdingEverywhere([readPods], cluster))).toBeUndefined();
  });
});
