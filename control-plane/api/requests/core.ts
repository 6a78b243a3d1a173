import type { Clock } from '../../../shared/clock.ts';
import type { Kind } from '../../../shared/generated/types.ts';
import { kindNamed } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KindEntry, Subresource } from '../../../shared/kinds/table.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { Random } from '../../../shared/random.ts';
import { isPathSegment } from '../../../shared/schema/formats.ts';
import type { FieldRequirement } from '../../../shared/selector.ts';
import type { WatchCache } from '../../store/cache/watch-cache.ts';
import type { Store } from '../../store/store.ts';
import type { RequestContext } from '../api.ts';
import { forbiddenError } from '../auth/authorizer.ts';
import type { Authorizer } from '../auth/identity.ts';
import { decodeItem, type State } from './codec.ts';
import { ReadIndex } from './read-index.ts';
import { badRequest } from './refusals.ts';

export interface CoreDeps {
  readonly store: Store;
  /** Over the whole registry, fed by the same store. */
  readonly cache: WatchCache;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly random: Random;
}

/** What a request is for, as the authorizer needs it: Kubernetes' ResourceAttributes, without the verb. */
export interface ResourceAttributes {
  readonly entry: Pick<KindEntry, 'group' | 'plural' | 'isNamespace'>;
  readonly subresource?: Subresource | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string;
  readonly fields?: readonly FieldRequirement[];
}

/** The verbs whose target has no name, or has one only by a selector. */
const collectionVerbs: ReadonlySet<string> = new Set(['list', 'watch', 'deletecollection']);

/** What every verb needs: authorization, and reads of the present state. Keeps nothing of a request. */
export class Core {
  readonly store: Store;
  readonly cache: WatchCache;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly random: Random;
  readonly reads: ReadIndex;

  constructor({ store, cache, authorizer, clock, random }: CoreDeps) {
    this.store = store;
    this.cache = cache;
    this.authorizer = authorizer;
    this.clock = clock;
    this.random = random;
    this.reads = new ReadIndex({ store, cache });
  }

  kind(kind: Kind): KindDef {
    return kindNamed(kind);
  }

  /** Throws Forbidden in Kubernetes' words. `object`: what is written, for the rules that depend on it. */
  authorize(context: RequestContext, verb: string, requested: ResourceAttributes, object?: unknown): void {
    const { entry, subresource, name, fields } = requested;
    // The namespace of a Namespace is itself: a RoleBinding in it may grant access to it.
    const itself = entry.isNamespace && !collectionVerbs.has(verb);
    const namespace = itself ? name || undefined : requested.namespace;
    const attributes = { verb, group: entry.group, resource: entry.plural, subresource, namespace, name, fields };
    const decision = this.authorizer.authorize(context.identity, attributes, object);
    context.audit?.decided(decision);
    if (!decision.allowed) throw forbiddenError(context.identity, attributes, decision.reason);
    // Keys are built from these: a separator in one would make the key that of another object.
    for (const part of [namespace, name]) {
      const fault = part && isPathSegment(part);
      if (fault) throw badRequest(`Name parameter invalid: ${JSON.stringify(part)}: ${fault}`);
    }
  }

  /** What the cache holds; it may lag behind the store. */
  cached(entry: Pick<KindDef, 'id' | 'namespaced'>, namespace: string | undefined, name: string): State | undefined {
    const key = entry.namespaced && namespace ? `${namespace}/${name}` : name;
    const object: KubeObject | undefined = this.cache.get(entry.id, key);
    return object && { object, revision: Number(object.metadata.resourceVersion) };
  }

  /** What the store holds now. */
  async fresh(key: string): Promise<State | undefined> {
    const { item } = await this.store.get(key);
    return item && decodeItem(item);
  }
}
