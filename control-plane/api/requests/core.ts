import type { Clock } from '../../../shared/clock.ts';
import type { Kind } from '../../../shared/generated/types.ts';
import { kindNamed } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KindEntry, Subresource } from '../../../shared/kinds/table.ts';
import type { Log } from '../../../shared/log.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { Random } from '../../../shared/random.ts';
import { isPathSegment } from '../../../shared/schema/formats.ts';
import type { FieldRequirement } from '../../../shared/selector.ts';
import type { WatchCache } from '../../store/cache.ts';
import { SharedFieldSets } from '../../store/field-sets.ts';
import { objectKey } from '../../store/keys.ts';
import type { Store, Write } from '../../store/store.ts';
import { certificates } from '../admission/certificates.ts';
import { AdmissionChain } from '../admission/chain.ts';
import { plugins } from '../admission/index.ts';
import { Lanes } from '../admission/lanes.ts';
import { namespaceContents } from '../admission/namespace-contents.ts';
import { nodeRestriction } from '../admission/node-restriction.ts';
import { serviceAccount } from '../admission/service-account.ts';
import type { NodeStreams, RequestContext } from '../api.ts';
import { forbiddenError } from '../auth/authorizer.ts';
import type { Authorizer } from '../auth/identity.ts';
import { EventLease } from '../resources/event/lease.ts';
import { guardObject } from '../resources/node/guards.ts';
import { ownHandlers } from '../resources/own-handlers.ts';
import { reviews } from '../resources/reviews/index.ts';
import type { TokenIssuer } from '../resources/tokens/token-request.ts';
import { decodeItem, encodeObject, type State } from './codec.ts';
import { ReadIndex } from './read-index.ts';
import { badRequest } from './refusals.ts';
import { type StorageLimits, StorageQuota } from './storage-quota.ts';
import type { KindHandlers } from './unstored.ts';

export interface ApiDeps {
  readonly store: Store;
  /** Over the whole registry, fed by the same store. */
  readonly cache: WatchCache;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Absent: logs answer ServiceUnavailable. */
  readonly nodeStreams?: NodeStreams;
  /** How long events are kept, in seconds; absent: an hour. */
  readonly eventTtlSeconds?: number;
  /** The range that services get their addresses from; IPv4. */
  readonly serviceCIDR?: string;
  /** Makes tokens of service accounts. Absent: there are none, and pods are given none. */
  readonly tokens?: TokenIssuer;
  /** The CA that the API server's certificate comes from, PEM: every namespace is given it. */
  readonly rootCertificate?: string;
  /** What stored objects may take of memory. Absent: anything. */
  readonly storageLimits?: StorageLimits;
  /** What answers for the kinds that are not stored, besides those that the API itself knows. */
  readonly handlers?: KindHandlers;
}

/** The verbs that name no object, or only by a selector. */
const collectionVerbs: ReadonlySet<string> = new Set(['list', 'watch', 'deletecollection']);

/** What is asked for, as the authorizer is asked about it. */
interface Asked {
  readonly entry: Pick<KindEntry, 'group' | 'plural'>;
  readonly subresource?: Subresource;
  readonly namespace?: string;
  readonly name?: string;
  readonly fields?: readonly FieldRequirement[];
}

/** What all requests share: who may do what, and where the present state is read. Keeps nothing of any request. */
export class Core {
  readonly deps: ApiDeps;
  readonly reads: ReadIndex;
  /** Of the objects that are made here. */
  readonly fieldSets = new SharedFieldSets();
  readonly admission: AdmissionChain;
  readonly lanes = new Lanes();
  readonly handlers: KindHandlers;
  readonly #events: EventLease;
  readonly #quota: StorageQuota | undefined;

  constructor(deps: ApiDeps) {
    this.deps = deps;
    this.reads = new ReadIndex(deps);
    this.handlers = { ...ownHandlers, ...reviews, ...deps.handlers };
    const { random, authorizer, rootCertificate, tokens } = deps;
    const first = [
      nodeRestriction,
      namespaceContents({ random, rootCertificate }),
      serviceAccount({ random, tokens: !!tokens }),
    ];
    this.admission = new AdmissionChain([...first, ...plugins, certificates(authorizer)], deps.cache);
    this.#events = new EventLease(deps);
    this.#quota = deps.storageLimits && new StorageQuota(deps.storageLimits, () => deps.cache.memory);
  }

  kind(kind: Kind): KindDef {
    return kindNamed(kind);
  }

  /** Throws Forbidden in Kubernetes' words. `object`: what is written, where it matters who writes it. */
  authorize(context: RequestContext, verb: string, asked: Asked, object?: unknown): void {
    const { entry, subresource, name, fields } = asked;
    // A namespace lies in itself: who may read what is in it may be allowed to read it as well.
    const itself = entry.plural === 'namespaces' && entry.group === '' && !collectionVerbs.has(verb);
    const namespace = itself ? name || undefined : asked.namespace;
    const attributes = { verb, group: entry.group, resource: entry.plural, subresource, namespace, name, fields };
    const decision = this.deps.authorizer.authorize(context.identity, attributes, object);
    context.audit?.decided(decision);
    if (!decision.allowed) throw forbiddenError(context.identity, attributes, decision.reason);
    // Keys are made of these: what was allowed must be the object that is found.
    for (const part of [namespace, name]) {
      const fault = part && isPathSegment(part);
      if (fault) throw badRequest(`Name parameter invalid: ${JSON.stringify(part)}: ${fault}`);
    }
  }

  /** What the cache holds; it may lag behind the store. */
  cached(entry: KindEntry, namespace: string | undefined, name: string): State | undefined {
    const key = entry.namespaced && namespace ? `${namespace}/${name}` : name;
    const object: KubeObject | undefined = this.deps.cache.get(entry.kind as Kind, key);
    return object && { object, revision: Number(object.metadata.resourceVersion) };
  }

  /** What the store holds now. */
  async fresh(key: string): Promise<State | undefined> {
    const { item } = await this.deps.store.get(key);
    return item && decodeItem(item);
  }

  /**
   * The write that stores an object's text. What is `present` stays on the lease it hangs on, as a node's Lease does. Throws
   * InsufficientStorage.
   */
  async put(
    context: RequestContext,
    def: Pick<KindEntry, 'kind'>,
    key: string,
    value: string,
    after: KubeObject,
    present?: KubeObject,
  ): Promise<Write> {
    this.#quota?.check(context, { kind: def.kind, text: value, after, present });
    if (def.kind === 'Event') return { type: 'put', key, value, lease: await this.#events.get() };
    return present ? { type: 'put', key, value, keepLease: true } : { type: 'put', key, value };
  }

  /** A write of ours was accepted: later reads show at least this revision. */
  wrote(revision: number): void {
    this.reads.atLeast(revision);
  }

  /** The write that bumps a node's guard, whatever its revision. */
  guardWrite(node: string): Write & { type: 'put' } {
    const entry = kindNamed('NodeGuard');
    const guard = this.cached(entry, undefined, node)?.object;
    const meta = guard?.metadata ?? this.cached(kindNamed('Node'), undefined, node)?.object.metadata;
    const value = encodeObject(guardObject(node, meta?.uid ?? '', meta?.creationTimestamp ?? ''));
    return { type: 'put', key: objectKey(entry, undefined, node), value };
  }
}
