import { posix } from 'node:path';
import { UsageError } from '../io.ts';

/** `POD:PATH`, `NAMESPACE/POD:PATH`, or a path on this machine. */
export type CopyPlace =
  | { readonly type: 'pod'; readonly namespace?: string; readonly pod: string; readonly path: string }
  | { readonly type: 'local'; readonly path: string };

export function copyPlace(text: string): CopyPlace {
  const colon = text.indexOf(':');
  // A path of this machine with a colon in it is written ./a:b.
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

/**
 * Where an entry of the archive goes, below the copy's root: '' for the thing itself. Undefined for one that lies outside of what
 * was asked for, which an honest `tar` does not send.
 */
export function placeOf(asked: string, entry: string): string | undefined {
  const prefix = bare(asked);
  const name = bare(entry);
  if (name.split('/').includes('..')) return undefined;
  if (prefix === '') return name;
  if (name === prefix) return '';
  return name.startsWith(`${prefix}/`) ? name.slice(prefix.length + 1) : undefined;
}

/** Without the root, `.` and the like; tar sends names so. A leading `..` cannot lead above the root. */
function bare(path: string): string {
  const clean = posix.normalize(path).replace(/\/+$/, '');
  const rooted = clean.replace(/^(\/|\.\.\/|\.\/)+/, '');
  return rooted === '.' || rooted === '/' ? '' : rooted;
}
