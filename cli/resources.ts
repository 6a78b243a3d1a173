import type { Kind } from '../shared/generated/types.ts';
import { builtinKinds, kinds } from '../shared/kinds/index.ts';
import type { KindDef } from '../shared/kinds/kind.ts';
import { UsageError } from './io.ts';

/** A kind, or one object of it. */
export interface Named {
  readonly def: KindDef;
  /** Absent: all of the kind. */
  readonly name?: string;
}

/** `pods`, `pods web db`, `deploy/web pod/x`, `deploy,rs`, `all`. Throws UsageError for an unknown kind. */
export function parseResources(words: readonly string[]): Named[] {
  const [first = '', ...names] = words;
  if (first === '') throw new UsageError('which resource? For example: pods, deployments, nodes');
  if (words.some((word) => word.includes('/'))) {
    return words.map((word) => {
      const [kind = '', name = '', ...rest] = word.split('/');
      if (!name || rest.length > 0) throw new UsageError(`"${word}" is not KIND/NAME`);
      return { def: kindCalled(kind), name };
    });
  }
  const defs = first.split(',').flatMap((word) => (word === 'all' ? allKinds() : [kindCalled(word)]));
  if (names.length === 0) return defs.map((def) => ({ def }));
  return defs.flatMap((def) => names.map((name) => ({ def, name })));
}

/** Objects only: `deploy/web` or `deploy web`. */
export function parseObjects(words: readonly string[]): Array<Required<Named>> {
  return parseResources(words).map(({ def, name }) => {
    if (name === undefined) throw new UsageError(`which of the ${def.plural}? Give a name`);
    return { def, name };
  });
}

export function kindCalled(word: string): KindDef {
  const def = builtinKinds.find(word);
  if (!def) throw new UsageError(`the server has no resource type "${word}"`);
  return def;
}

export function kindNameOf(def: KindDef): Kind {
  // A second version has a service of its own, called after its type.
  return def.typeName as Kind;
}

function allKinds(): KindDef[] {
  return kinds.filter(({ categories }) => categories.includes('all'));
}
