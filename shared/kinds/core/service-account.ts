import type { ServiceAccount } from '../../generated/types.ts';
import type { KubeObject } from '../../object.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, count, nameColumn } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

export const serviceAccount: Behaviour<ServiceAccount> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    count('Secrets', 'Number of secrets.', ({ secrets }) => secrets?.length ?? 0),
    ageColumn as Column<ServiceAccount>,
  ],
  strategy: {
    deletion: { answer: 'object' },
    warnings: accountWarnings,
  },
};

function accountWarnings({ metadata }: ServiceAccount, old: ServiceAccount | undefined): string[] {
  const annotation = 'kubernetes.io/enforce-mountable-secrets';
  const has = (meta: KubeObject['metadata'] | undefined): boolean => meta?.annotations?.[annotation] !== undefined;
  if (!has(metadata) || has(old?.metadata)) return [];
  const advice = 'deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets';
  return [`metadata.annotations[${annotation}]: ${advice}`];
}
