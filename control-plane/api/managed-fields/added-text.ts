import type { Shape, Struct } from '../../../shared/schema/shape.ts';
import { elementOf, inOrder, type Json } from './values.ts';

/**
 * The fields of a new object as the JSON text of their set; empty when there are none. The same set as `addedFields` gives, in a
 * fraction of the time: equal texts share one tree.
 * `skip`: without these fields of the root.
 */
export function addedText(root: Struct, object: object, skip: ReadonlySet<string>): string {
  return textOf(root, object, true, skip);
}

const member = '{}';

function textOf(shape: Shape, value: unknown, within: boolean, skip?: ReadonlySet<string>): string {
  if (shape.type === 'leaf') return member;
  let out = '';
  switch (shape.type) {
    case 'struct':
      for (const field of shape.fields) {
        const inner = (value as Json)[field.name];
        if (inner === undefined && (within || field.always === undefined)) continue;
        if (skip?.has(field.name)) continue;
        const text = textOf(field.shape, inner ?? field.always, within && field.always !== undefined);
        if (text !== '') out += `,"${field.element}":${text}`;
      }
      break;
    case 'map': {
      const names = Object.keys(value as Json);
      if (names.length > 1) names.sort();
      for (const name of names) {
        out += `,${JSON.stringify(`f:${name}`)}:${textOf(shape.value, (value as Json)[name], false)}`;
      }
      break;
    }
    default: {
      const items = inOrder(shape, value as unknown[]);
      const elements = items.map((item) => elementOf(shape, item));
      for (const [index, element] of elements.entries()) {
        // Duplicates are one element; in order, they are neighbours.
        if (element === elements[index - 1]) continue;
        const whole = shape.type === 'set' || element === elements[index + 1];
        out += `,${JSON.stringify(element)}:${whole ? member : textOf(shape.item, items[index], false)}`;
      }
    }
  }
  if (within) return out === '' ? '' : `{${out.slice(1)}}`;
  return out === '' ? member : `{".":{}${out}}`;
}
