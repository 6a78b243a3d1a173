import { Transform } from 'node:stream';

/** The attributes that hold links, by element: those that Kubernetes rewrites (apimachinery, `proxy.Transport`). */
const linksOf: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    a: ['href'],
    applet: ['codebase'],
    area: ['href'],
    audio: ['src'],
    base: ['href'],
    blockquote: ['cite'],
    body: ['background'],
    button: ['formaction'],
    command: ['icon'],
    del: ['cite'],
    embed: ['src'],
    form: ['action'],
    frame: ['longdesc', 'src'],
    head: ['profile'],
    html: ['manifest'],
    iframe: ['longdesc', 'src'],
    img: ['longdesc', 'src', 'usemap'],
    input: ['src', 'usemap', 'formaction'],
    ins: ['cite'],
    link: ['href'],
    object: ['classid', 'codebase', 'data', 'usemap'],
    q: ['cite'],
    script: ['src'],
    source: ['src'],
    video: ['poster', 'src'],
  }),
);

/** What ends a comment or an element of text: how it is found, and its length, as a piece may end in the middle of it. */
interface Ending {
  readonly pattern: RegExp;
  readonly length: number;
}

/** Elements whose content is text, whatever it looks like. */
const textOnly: ReadonlyMap<string, Ending> = new Map(
  ['iframe', 'noembed', 'noframes', 'noscript', 'script', 'style', 'textarea', 'title', 'xmp'].map((name) => [
    name,
    { pattern: new RegExp(`</${name}`, 'i'), length: name.length + 2 },
  ]),
);
const comment: Ending = { pattern: /-->/, length: 3 };

/** A tag that is longer (characters) is left as it is. */
const maxTag = 16 * 1024;

const space = /\s/;

interface Tag {
  readonly name: string;
  /** Where it ends in the text, after its `>`. */
  readonly end: number;
  /** Where values of attributes stand, without quotes. */
  readonly values: readonly { readonly attribute: string; readonly from: number; readonly to: number }[];
}

/**
 * Rewrites the links of a page as it goes by; everything else is handed on byte for byte. What is held back is no longer than one tag.
 * Bytes are taken for Latin-1 characters: all that matters here is ASCII, in every encoding that a page may be in but UTF-16.
 */
export function rewriteLinks(rewrite: (link: string) => string): Transform {
  let held = '';
  /** What must come before tags are tags again: the end of a comment, or of an element that is all text. */
  let until: Ending | undefined;

  /** What can be handed on of what is held. `last`: nothing more comes. */
  const take = (last: boolean): string => {
    let out = '';
    for (;;) {
      if (until !== undefined) {
        const found = held.search(until.pattern);
        // A part of it may be at the end.
        const upTo = found >= 0 ? found : last ? held.length : Math.max(0, held.length - until.length + 1);
        out += held.slice(0, upTo);
        held = held.slice(upTo);
        if (found < 0) return out;
        until = undefined;
      }
      const open = held.indexOf('<');
      if (open < 0 || (last && open === held.length - 1)) {
        out += held;
        held = '';
        return out;
      }
      out += held.slice(0, open);
      held = held.slice(open);
      if (held.startsWith('<!--')) {
        out += '<!--';
        held = held.slice(4);
        until = comment;
        continue;
      }
      const tag = tagOf(held);
      if (tag === 'more' && !last && held.length < maxTag) return out;
      if (typeof tag === 'string') {
        const end = tag === 'none' ? 1 : maxTag;
        out += held.slice(0, end);
        held = held.slice(end);
        continue;
      }
      out += rewritten(held, tag, rewrite);
      held = held.slice(tag.end);
      until = textOnly.get(tag.name);
    }
  };

  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      held += chunk.toString('latin1');
      done(null, Buffer.from(take(false), 'latin1'));
    },
    flush(done) {
      done(null, Buffer.from(take(true), 'latin1'));
    },
  });
}

/** The tag that begins with the text; `none` when none does, `more` when its end is not in what is looked at. */
function tagOf(whole: string): Tag | 'none' | 'more' {
  const text = whole.slice(0, maxTag);
  if (text.length < 2 || '<!--'.startsWith(text)) return 'more';
  const name = /^<([a-z][^\s/>]*)/i.exec(text)?.[1]?.toLowerCase();
  if (name === undefined) return 'none';
  const values: Tag['values'][number][] = [];
  const skip = (from: number, over: (char: string) => boolean): number => {
    let at = from;
    while (at < text.length && over(text.charAt(at))) at++;
    return at;
  };
  let at = name.length + 1;
  for (;;) {
    at = skip(at, (char) => char === '/' || space.test(char));
    if (at >= text.length) return 'more';
    if (text.charAt(at) === '>') return { name, end: at + 1, values };
    const from = at;
    at = skip(at + 1, (char) => char !== '=' && char !== '>' && char !== '/' && !space.test(char));
    const attribute = text.slice(from, at).toLowerCase();
    const after = skip(at, (char) => space.test(char));
    if (text.charAt(after) !== '=') continue;
    at = skip(after + 1, (char) => space.test(char));
    const quote = text.charAt(at);
    const quoted = quote === '"' || quote === "'";
    const begin = quoted ? at + 1 : at;
    const end = quoted ? text.indexOf(quote, begin) : skip(begin, (char) => char !== '>' && !space.test(char));
    if (end < 0 || end >= text.length) return 'more';
    values.push({ attribute, from: begin, to: end });
    at = quoted ? end + 1 : end;
  }
}

function rewritten(text: string, { name, end, values }: Tag, rewrite: (link: string) => string): string {
  let out = '';
  let at = 0;
  const links = linksOf.get(name);
  for (const { attribute, from, to } of values) {
    if (!links?.includes(attribute)) continue;
    out += text.slice(at, from) + rewrite(text.slice(from, to));
    at = to;
  }
  return out + text.slice(at, end);
}
