import { expect, it } from 'vitest';
import type { Kind } from '../../../shared/generated/types.ts';
import { kindNamed } from '../../../shared/kinds/index.ts';
import { kindTable } from '../../../shared/kinds/table.ts';
import { noNodeStreams } from './pod/streams.ts';
import { subresources } from './subresources.ts';

const table = subresources({ nodeStreams: noNodeStreams, tokens: undefined });

it.each(kindTable.filter(({ subresources: served, secondVersion }) => served.length > 0 && !secondVersion))(
  'every subresource of a $kind has a handler or is a part of the object',
  ({ kind, subresources: served }) => {
    const { parts } = kindNamed(kind as Kind).strategy;
    const handlers = table[kind as Kind];
    expect(served.filter((name) => name !== 'status' && !handlers?.[name] && !parts?.[name])).toEqual([]);
  },
);

it.each(Object.entries(table))('every handler of a %s is for a subresource that the kind has', (kind, handlers) => {
  const served: readonly string[] = kindNamed(kind as Kind).subresources;
  expect(Object.keys(handlers ?? {}).filter((name) => !served.includes(name))).toEqual([]);
});
