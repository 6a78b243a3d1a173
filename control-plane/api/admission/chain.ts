import type { Kind } from '../../../shared/generated/types.ts';
import type { Subresource } from '../../../shared/kinds/table.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { WatchCache } from '../../store/cache/watch-cache.ts';
import type { Admission, AdmissionPlugin, AdmissionVerb, Needed, Reader, Rule } from './plugin.ts';

/** The plugins that one sort of request concerns, by hook. */
interface Concerned {
  readonly mutate: readonly AdmissionPlugin[];
  readonly validate: readonly AdmissionPlugin[];
  readonly charge: readonly AdmissionPlugin[];
}

/** All plugins, in order, found by what is asked for. */
export class AdmissionChain {
  readonly reader: Reader;
  readonly #plugins: readonly AdmissionPlugin[];
  readonly #found = new Map<string, Concerned>();

  constructor(plugins: readonly AdmissionPlugin[], cache: Pick<WatchCache, 'get' | 'list' | 'count'>) {
    this.#plugins = plugins;
    this.reader = readerOf(cache);
  }

  /** What `mutate` needs and the cache does not show. */
  missing(request: Admission, object: KubeObject): readonly Needed[] {
    let missing: Needed[] | undefined;
    for (const plugin of this.#concerned(request).mutate) {
      for (const needed of plugin.needs?.(request, object) ?? nothing) {
        if (this.reader.get(needed.kind, needed.name, needed.namespace)) continue;
        missing ??= [];
        missing.push(needed);
      }
    }
    return missing ?? nothing;
  }

  mutate(request: Admission, object: KubeObject, reader: Reader = this.reader): void {
    for (const plugin of this.#concerned(request).mutate) plugin.mutate?.(request, object, undefined, reader);
  }

  validate(request: Admission, object: KubeObject | undefined, old?: KubeObject): void {
    for (const plugin of this.#concerned(request).validate) plugin.validate?.(request, object, old, this.reader);
  }

  /** Whoever wants to add to the object's transaction. */
  charging(request: Admission): readonly AdmissionPlugin[] {
    return this.#concerned(request).charge;
  }

  #concerned({ verb, entry, subresource }: Admission): Concerned {
    const sort = `${verb} ${entry.kind}/${subresource ?? ''}`;
    let found = this.#found.get(sort);
    if (!found) {
      const all = this.#plugins.filter(({ rules }) =>
        rules.some((rule) => concerns(rule, verb, entry.kind, subresource)),
      );
      found = {
        mutate: all.filter((plugin) => plugin.mutate),
        validate: all.filter((plugin) => plugin.validate),
        charge: all.filter((plugin) => plugin.charge),
      };
      this.#found.set(sort, found);
    }
    return found;
  }
}

const nothing: readonly Needed[] = [];

function concerns(rule: Rule, verb: AdmissionVerb, kind: string, subresource: Subresource | undefined): boolean {
  const { verbs, kinds, subresources } = rule;
  if (!verbs.includes(verb) || (kinds && !kinds.includes(kind))) return false;
  return subresource === undefined ? !subresources : (subresources?.includes(subresource) ?? false);
}

function readerOf(cache: Pick<WatchCache, 'get' | 'list' | 'count'>): Reader {
  return {
    get: (kind, name, namespace) => cache.get(kind, namespace ? `${namespace}/${name}` : name),
    list: (kind, namespace) => cache.list(kind, namespace),
    count: (kind: Kind, namespace) => cache.count(kind, namespace),
  };
}
