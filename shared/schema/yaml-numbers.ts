import { type Document, isPair, isScalar, isSeq, visit } from 'yaml';
import { inexact, isExact } from './exact-numbers.ts';
import { Path } from './path.ts';

/** Whether a text may have a number that is not kept: most have not, and this is cheap to see. */
const suspicious = /[\d.]{16}|\d[eE][+-]?\d{3}|0[xo][\da-fA-F]{11}|\.(inf|nan)\b/i;

/** Throws BadRequest for a number that cannot be kept. `document`: of a bounded depth; `text`: what it was parsed from. */
export function checkYamlNumbers(document: Document, text: string): void {
  if (!suspicious.test(text)) return;
  visit(document, {
    Scalar(_key, node, holders) {
      if (typeof node.value !== 'number') return;
      const literal = node.source ?? String(node.value);
      const plain = /^[-+]?[\d.]/.test(literal) && !/^[-+]?0[xo]/.test(literal);
      if (plain ? isExact(literal.replace(/^\+/, '')) : Number.isSafeInteger(node.value)) return;
      throw inexact(pathOf([...holders, node]), literal);
    },
  });
}

/** Of a node in a document, by those that hold it: the last of `nodes` is the node itself. */
function pathOf(nodes: readonly unknown[]): string {
  const path = new Path();
  for (const [at, holder] of nodes.entries()) {
    if (isPair(holder) && isScalar(holder.key)) path.push(holder.key.source ?? String(holder.key.value));
    if (isSeq(holder)) path.push(holder.items.indexOf(nodes[at + 1]));
  }
  return path.text();
}
