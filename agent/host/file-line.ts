/**
 * One line of a file whose lines are words: `/etc/hosts`, `/etc/resolv.conf`. Throws an Error that names a word that is none: printable
 * ASCII without white space, not the beginning of a comment.
 */
export function fileLine(words: readonly string[], separator: ' ' | '\t'): string {
  const wrong = words.find((word) => !/^[!"$-~][!-~]*$/.test(word) || word.startsWith(';'));
  if (wrong !== undefined) throw new Error(`${JSON.stringify(wrong)} cannot stand in a line of a file`);
  return `${words.join(separator)}\n`;
}
