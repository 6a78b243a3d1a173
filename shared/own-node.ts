import { ApiError } from './errors.ts';
import type { Node, Taint } from './generated/types.ts';
import { parseQuantity } from './quantity.ts';
import { isRecord } from './records.ts';
import type { OwnNode } from './session.ts';

const effects = ['NoExecute', 'NoSchedule', 'PreferNoSchedule'] as const satisfies readonly Taint['effect'][];

/** The part of a Node that admission looks at. */
export function ownNodeOf({ metadata, spec, status }: Node): OwnNode {
  const taints = (spec?.taints ?? []).map(({ key, value, effect }) => ({ key, effect, ...(value ? { value } : {}) }));
  return { labels: metadata.labels ?? {}, taints, allocatable: status?.allocatable ?? {} };
}

/** The same from another process. Throws BadRequest for anything else. */
export function parseOwnNode(value: unknown): OwnNode {
  const { labels, taints, allocatable } = recordOf(value);
  if (!Array.isArray(taints)) throw malformed();
  return { labels: textsOf(labels), taints: taints.map(taintOf), allocatable: quantitiesOf(allocatable) };
}

function taintOf(value: unknown): Taint {
  const { key, value: text, effect } = recordOf(value);
  const known = effects.find((one) => one === effect);
  if (typeof key !== 'string' || !known) throw malformed();
  if (text !== undefined && typeof text !== 'string') throw malformed();
  return { key, effect: known, ...(text === undefined ? {} : { value: text }) };
}

function quantitiesOf(value: unknown): Record<string, string> {
  const amounts = textsOf(value);
  try {
    for (const amount of Object.values(amounts)) parseQuantity(amount);
  } catch (cause) {
    throw malformed(cause);
  }
  return amounts;
}

function textsOf(value: unknown): Record<string, string> {
  const texts = Object.entries(recordOf(value)).map(([key, text]) => {
    if (typeof text !== 'string') throw malformed();
    return [key, text] as const;
  });
  return Object.fromEntries(texts);
}

function recordOf(value: unknown): Record<string, unknown> {
  if (!isRecord(value)) throw malformed();
  return value;
}

function malformed(cause?: unknown): ApiError {
  return new ApiError('BadRequest', 'a session message does not hold a node', {}, { cause });
}
