import { Transform } from 'node:stream';

/** The attributes with links, by element, that Kubernetes rewrites (apimachinery, `proxy.Transport`). */
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

/** The end of a comment or a text element: its pattern and its length, as a chunk may end within it. */
interface Ending {
  readonly pattern: RegExp;
  readonly length: number;
}

/** Elements whose content is text, even if it looks like tags. */
const textOnly: ReadonlyMap<string, Ending> = new Map(
  ['iframe', 'noembed', 'noframes', 'noscript', 'script', 'style', 'textarea', 'title', 'xmp'].map((name) => [
    name,
    { pattern: new RegExp(`</${name}`, 'i'), length: name.length + 2 },
  ]),
);
const comment: Ending = { pattern: /-->/, length: 3 };

/** A longer tag (characters) is left as it is. */
const maxTag = 16 * 1024;

const space = /\s/;

interface Tag {
  readonly name: string;
  /** The index after its `>`. */
  readonly end: number;
  /** The ranges of attribute values, without quotes. */
  readonly values: readonly { readonly attribute: string; readonly from: number; readonly to: number }[];
}

/**
 * Rewrites the links of a page as a stream; all else is passed on byte for byte. It buffers no more than one tag. Bytes are read as
 * Latin-1 characters: markup is ASCII in every encoding of pages but UTF-16.
 */
export function rewriteLinks(rewrite: (link: string) => string): Transform {
  let held = '';
  /** The end of the comment or text element that the text is in. */
  let until: Ending | undefined;

  /** The part of the buffer that can be passed on. `last`: the page has ended. */
  const take = (last: boolean): string => {
    let out = '';
    for (;;) {
      if (until !== undefined) {
        const found = held.search(until.pattern);
        // The chunk may end with a part of it.
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

/** The tag at the start of the text; `none` if there is none, `more` if its end is not in the text. */
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
