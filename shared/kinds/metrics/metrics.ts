import type { NodeMetrics, PodMetrics } from '../../generated/types.ts';
import type { KubeObject } from '../../object.ts';
import { addQuantities } from '../../quantity.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

type Usage = Readonly<Record<string, string>>;

/** As metrics-server prints them: usage and window. */
function columnsOf<T extends KubeObject & { readonly window?: string }>(usageOf: (object: T) => Usage): Column<T>[] {
  return [
    nameColumn as Column<T>,
    text('cpu', 'CPU usage.', (object) => usageOf(object).cpu ?? '0'),
    text('memory', 'Memory usage.', (object) => usageOf(object).memory ?? '0'),
    text('Window', 'The time over which the usage was measured.', ({ window }) => window ?? ''),
  ];
}

export const nodeMetrics: Behaviour<NodeMetrics> = {
  nameFormat: isDnsSubdomain,
  columns: columnsOf(({ usage }) => usage),
  strategy: {},
};

export const podMetrics: Behaviour<PodMetrics> = {
  nameFormat: isDnsSubdomain,
  columns: columnsOf(({ containers }) => {
    const sum: Record<string, string> = {};
    for (const { usage } of containers) {
      for (const [name, amount] of Object.entries(usage)) sum[name] = addQuantities(sum[name] ?? '0', amount);
    }
    return sum;
  }),
  strategy: {},
};
