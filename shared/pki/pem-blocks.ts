export interface PemBlock {
  /** Such as `CERTIFICATE`. */
  readonly type: string;
  /** What stands between its first and its last line. */
  readonly content: string;
  /** All of it, with both lines. */
  readonly text: string;
}

const begin = '-----BEGIN ';
const end = '-----END ';
const dashes = '-----';

/**
 * The blocks of a PEM text (RFC 7468), in order; between them anything may stand. A first line whose next last line is of
 * another type begins no block. Each character is looked at a few times, whatever the text is.
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
