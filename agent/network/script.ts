import { createHash } from 'node:crypto';
import type { Brand } from '../../shared/net/brand.ts';
import type { Cidr, Ipv4 } from '../../shared/net/ipv4.ts';
import type { IfName, ObjectUid, PortNumber } from '../../shared/net/names.ts';
import { NetworkError } from './error.ts';

// The input of `ip -batch -` and `nft -f -`: lines of words. Only this file makes such text.

/** A path that names a network namespace: `/proc/PID/ns/net`, `/run/netns/NAME`. */
export type NetnsPath = Brand<string, 'NetnsPath'>;
/** A hardware address: `02:00:00:00:00:01`. */
export type Mac = Brand<string, 'Mac'>;
/** A keyword of nft or ip, or the name of a table, chain, set or map. */
export type Keyword = Brand<string, 'Keyword'>;

/** A value that a line may hold beside the text of its template. */
export type Word = Ipv4 | Cidr | IfName | PortNumber | ObjectUid | NetnsPath | Mac | Keyword | number;

/** A value of a template; a list is joined by commas. */
type Piece = Line | Word | readonly (Line | Word)[];

/** A command, or a part of one. Only `line` makes them. */
export class Line {
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
  }

  /**
   * From a template: `line\`route del ${cidr}\``. It takes values of checked types only, and checks each once more. Throws NetworkError
   * `Address` for one that is not a single word.
   */
  static of(parts: TemplateStringsArray, ...words: readonly Piece[]): Line {
    return new Line(parts.reduce((before, part, index) => `${before}${textOf(words[index - 1] ?? [])}${part}`));
  }
}

export const line = Line.of;

/** Commands, one per line. */
export type Script = Brand<string, 'Script'>;

/** Without white space, quotes, backslashes, semicolons, braces and hashes, which could begin another word, command or comment. */
const word = /^[A-Za-z0-9_/][A-Za-z0-9_.:/-]*$/;

export function script(lines: readonly Line[]): Script {
  return lines.map((each) => `${each.text}\n`).join('') as Script;
}

export function keyword(text: string): Keyword {
  if (!/^[a-z][a-z0-9_-]*$/.test(text)) throw new NetworkError('Address', `${JSON.stringify(text)} is not a name`);
  return text as Keyword;
}

/** Throws NetworkError `Address`. */
export function netnsPath(text: string): NetnsPath {
  if (!/^(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$/.test(text)) {
    throw new NetworkError('Address', `${JSON.stringify(text)} is not the path of a network namespace`);
  }
  return text as NetnsPath;
}

/** The hardware address of a pod: locally administered, unicast. */
export function podMac(podUid: string): Mac {
  const [first = 0, ...rest] = createHash('sha256').update(podUid).digest().subarray(0, 6);
  return [(first & 0xfc) | 0x02, ...rest].map((byte) => byte.toString(16).padStart(2, '0')).join(':') as Mac;
}

function textOf(value: Piece): string {
  if (value instanceof Line) return value.text;
  if (Array.isArray(value)) return value.map(textOf).join(', ');
  const text = String(value);
  if (!word.test(text)) throw new NetworkError('Address', `${JSON.stringify(text)} cannot stand in a command`);
  return text;
}
