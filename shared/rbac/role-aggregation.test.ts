import { expect, it } from 'vitest';
import { aggregatedRules } from '../rbac/role-aggregation.ts';

const rule = (verb: string) => ({ apiGroups: [''], resources: ['pods'], verbs: [verb] });
const role = (name: string, label: string, ...verbs: string[]) => ({
  metadata: { name, labels: { [label]: 'true' } },
  rules: verbs.map(rule),
});

it('aggregates by selector, then by name, each rule once', () => {
  const all = [
    role('c', 'one', 'get'),
    role('b', 'two', 'list', 'watch'),
    role('a', 'one', 'watch'),
    role('me', 'one', 'x'),
  ];
  const selectors = ['one', 'two', 'one'].map((label) => ({ matchLabels: { [label]: 'true' } }));
  const me = { metadata: { name: 'me' }, aggregationRule: { clusterRoleSelectors: selectors } };
  expect(aggregatedRules(me, all)).toEqual([rule('watch'), rule('get'), rule('list')]);
});

it('looks at each rule once, however many selectors pick its role', () => {
  const rules = Array.from({ length: 2_000 }, (_, i) => rule(`v${i}`));
  let looked = 0;
  const other = {
    metadata: { name: 'other' },
    get rules() {
      looked++;
      return rules;
    },
  };
  const clusterRoleSelectors = Array.from({ length: 2_000 }, () => ({}));
  const made = aggregatedRules({ metadata: { name: 'me' }, aggregationRule: { clusterRoleSelectors } }, [other]);
  expect(made).toEqual(rules);
  expect(looked).toBe(1);
});
