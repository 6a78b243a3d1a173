import type { ComponentStatus } from '../../generated/types.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { nameColumn, text } from '../columns/columns.ts';
import type { Behaviour } from '../kind.ts';

const shown: Readonly<Record<string, string>> = { True: 'Healthy', False: 'Unhealthy' };

export const componentStatus: Behaviour<ComponentStatus> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Status', 'Whether the component is healthy.', (object) => shown[health(object)?.status ?? ''] ?? 'Unknown'),
    text('Message', 'The answer of the health check.', (object) => health(object)?.message ?? ''),
    text('Error', 'The error of the health check.', (object) => health(object)?.error ?? ''),
  ],
  strategy: {},
};

function health({ conditions = [] }: ComponentStatus) {
  return conditions.find(({ type }) => type === 'Healthy');
}
