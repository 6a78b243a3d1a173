import type { JoinToken } from '../../generated/types.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { humanDuration } from '../columns/age.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

export const joinToken: Behaviour<JoinToken> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Expires', 'The time until the token expires.', ({ spec: { expirationTimestamp } }, now) => {
      if (!expirationTimestamp) return 'never';
      const left = Date.parse(expirationTimestamp) - now;
      return left > 0 ? humanDuration(left) : 'expired';
    }),
    text('Description', 'What the token is for.', ({ spec }) => spec.description ?? ''),
    ageColumn as Column<JoinToken>,
  ],
  strategy: { tracksAfterApply: true },
};
