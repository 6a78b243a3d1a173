import { printElement } from './field-set.ts';
import type { Shape } from './shapes.ts';
import { elementOf, type Json } from './values.ts';

/**
 * A path as decoding names it (`spec.containers[0].foo`) in the form that apply names it: items of lists by their keys,
 * `.spec.containers[name="web"].foo`.
 */
export function keyedPath(root: Shape, object: unknown, path: string): string {
  let shape: Shape | undefined = root;
  let value = object;
  let out = '';
  for (const [, name, index, key] of path.matchAll(/(?:^|\.)([^.[\]]+)|\[(\d+)\]|\[([^\]]*)\]/g)) {
    const step = name ?? key;
    if (step !== undefined) {
      out += `.${step}`;
      shape =
        shape?.type === 'struct' ? shape.byName.get(step)?.shape : shape?.type === 'map' ? shape.value : undefined;
      value = (value as Json | undefined)?.[step];
      continue;
    }
    const item = (value as unknown[] | undefined)?.[Number(index)];
    const keyed = (shape?.type === 'list' || shape?.type === 'set') && item !== undefined && item !== null;
    out += keyed ? printElement(elementOf(shape as Shape & { type: 'list' | 'set' }, item)) : `[${index}]`;
    shape = shape?.type === 'list' ? shape.item : undefined;
    value = item;
  }
  return out;
}
