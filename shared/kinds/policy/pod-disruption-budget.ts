import type { PodDisruptionBudget } from '../../generated/types.ts';
import { invalid, notSupported } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { validateLabelSelector } from '../../selector.ts';
import { ageColumn, count, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { validateAtMost100Percent, validateIntOrPercent } from '../rules/int-or-percent.ts';

const policies = ['AlwaysAllow', 'IfHealthyBudget'];

export const podDisruptionBudget: Behaviour<PodDisruptionBudget> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Min Available', 'Minimum number of available pods.', ({ spec }) => String(spec.minAvailable ?? 'N/A')),
    text('Max Unavailable', 'Maximum number of unavailable pods.', ({ spec }) => String(spec.maxUnavailable ?? 'N/A')),
    count(
      'Allowed Disruptions',
      'How many evictions are allowed now.',
      ({ status }) => status?.disruptionsAllowed ?? 0,
    ),
    ageColumn as Column<PodDisruptionBudget>,
  ],
  strategy: {
    prepareCreate(object) {
      object.status = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
    },
    validate({ spec }, causes) {
      const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy: policy } = spec ?? {};
      if (minAvailable !== undefined && maxUnavailable !== undefined) {
        causes.push(invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set'));
      }
      for (const [part, value] of Object.entries({ minAvailable, maxUnavailable })) {
        validateIntOrPercent(value, `spec.${part}`, causes);
        validateAtMost100Percent(value, `spec.${part}`, causes);
      }
      if (selector) validateLabelSelector(selector, 'spec.selector', causes);
      if (policy !== undefined && !policies.includes(policy)) {
        causes.push(notSupported('spec.unhealthyPodEvictionPolicy', policy, policies));
      }
    },
  },
};
