export interface PemBlock {
  /** Such as `CERTIFICATE`. */
  readonly type: string;
  /** The text between its first and its last line. */
  readonly content: string;
  /** All of it, with both lines. */
  readonly text: string;
}

const begin = '-----BEGIN ';
const end = '-----END ';
const dashes = '-----';

/**
 * The blocks of a PEM text (RFC 7468), in order; other text between them is ignored. A BEGIN line whose next END line has another type
 * starts no block. Linear in the length of the text.
 */
export function* pemBlocks(text: string): Generator<PemBlock> {
  let close = -1;
  for (let open = text.indexOf(begin); open >= 0; ) {
    const label = /[A-Z0-9 ]*/y;
    label.lastIndex = open + begin.length;
    const type = label.exec(text)?.[0] ?? '';
    const first = /-----\r?\n/y;
    first.lastIndex = label.lastIndex;
    if (type === '' || !first.test(text)) {
      open = text.indexOf(begin, label.lastIndex);
      continue;
    }
    const from = first.lastIndex;
    if (close < from) close = text.indexOf(end, from);
    if (close < 0) return;
    const last = `${end}${type}${dashes}`;
    if (text.startsWith(last, close)) {
      const whole = text.slice(open, close + last.length);
      yield { type, content: text.slice(from, close), text: whole };
      open = text.indexOf(begin, close);
    } else {
      open = text.indexOf(begin, from);
    }
  }
}
