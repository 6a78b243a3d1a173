import { type Document, isPair, isScalar, isSeq, visit } from 'yaml';
import { inexact, isExact } from './exact-numbers.ts';
import { Path } from './path.ts';

/** A cheap check whether a text may have a number that a double cannot represent. */
const suspicious = /[\d.]{16}|\d[eE][+-]?\d{3}|0[xo][\da-fA-F]{11}|\.(inf|nan)\b/i;

/** Throws BadRequest for a number that a double cannot represent. `document`: of a limited depth; `text`: its source. */
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

/** The path of a node. `nodes`: the node, last, after those that contain it. */
function pathOf(nodes: readonly unknown[]): string {
  const path = new Path();
  for (const [at, holder] of nodes.entries()) {
    if (isPair(holder) && isScalar(holder.key)) path.push(holder.key.source ?? String(holder.key.value));
    if (isSeq(holder)) path.push(holder.items.indexOf(nodes[at + 1]));
  }
  return path.text();
}
