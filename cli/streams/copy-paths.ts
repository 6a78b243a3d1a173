import { posix } from 'node:path';
import { UsageError } from '../io.ts';

/** `POD:PATH`, `NAMESPACE/POD:PATH`, or a path on this machine. */
export type CopyPath =
  | { readonly type: 'pod'; readonly namespace?: string; readonly pod: string; readonly path: string }
  | { readonly type: 'local'; readonly path: string };

export function parseCopyPath(text: string): CopyPath {
  const colon = text.indexOf(':');
  // A local path with a colon is written ./a:b.
  if (colon < 0 || /^[./]/.test(text)) return { type: 'local', path: text };
  const [first = '', second, ...rest] = text.slice(0, colon).split('/');
  const path = text.slice(colon + 1);
  if (rest.length > 0 || first === '' || second === '' || path === '') {
    throw new UsageError(`"${text}" is not POD:PATH, NAMESPACE/POD:PATH or a path of this machine`);
  }
  return second === undefined
    ? { type: 'pod', pod: first, path }
    : { type: 'pod', namespace: first, pod: second, path };
}

/** The path of an archive entry below the target: '' for the source itself. Undefined: it is outside of the source. */
export function entryPath(source: string, entry: string): string | undefined {
  const prefix = bare(source);
  const name = bare(entry);
  if (name.split('/').includes('..')) return undefined;
  if (prefix === '') return name;
  if (name === prefix) return '';
  return name.startsWith(`${prefix}/`) ? name.slice(prefix.length + 1) : undefined;
}

/** Without leading `/`, `./` and `../`, as tar stores names. */
function bare(path: string): string {
  const clean = posix.normalize(path).replace(/\/+$/, '');
  const rooted = clean.replace(/^(\/|\.\.\/|\.\/)+/, '');
  return rooted === '.' || rooted === '/' ? '' : rooted;
}
