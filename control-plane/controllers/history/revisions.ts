import { ignoring, isApiError } from '../../../shared/errors.ts';
import type { ControllerRevision, LabelSelector, PodTemplateSpec } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { controllerOf, type KubeObject, keyOf, oldestFirst } from '../../../shared/object.ts';
import { matchesLabels, selectorOf } from '../../../shared/selector.ts';
import type { ControllerDeps } from '../controller.ts';
import type { Expectations } from '../expectations.ts';
import { claimDependents } from '../owned-pods/claims.ts';
import { controllerReference } from '../owned-pods/owner-references.ts';
import { canonicalText, hashOf } from './hash.ts';

/** A DaemonSet or a StatefulSet: its templates are kept as ControllerRevisions. */
export interface Revisioned extends KubeObject {
  readonly spec: {
    readonly selector: LabelSelector;
    readonly template: PodTemplateSpec;
    readonly revisionHistoryLimit?: number;
  };
  readonly status?: { readonly collisionCount?: number };
}

/** The label with the hash of a revision's data. */
export const hashLabel = 'controller.kubernetes.io/hash';

export type History =
  /** `all`: in the order of their revisions, the one of the present template last. */
  | { readonly type: 'found'; readonly current: ControllerRevision; readonly all: readonly ControllerRevision[] }
  /** Another template or owner has the name: the owner's collision count must grow. */
  | { readonly type: 'collision' };

/** The revisions of one kind of owner (Kubernetes' `controller/history`). */
export class ControllerRevisions {
  readonly #deps: ControllerDeps;
  readonly #expectations: Expectations;
  /** The texts of the data of revisions that informers hold: data never changes. */
  readonly #texts = new WeakMap<ControllerRevision, string>();

  constructor(deps: ControllerDeps, expectations: Expectations) {
    this.#deps = deps;
    this.#expectations = expectations;
  }

  /** Claims the owner's revisions, and creates the one of its present template or makes it the newest. */
  async sync(owner: Revisioned): Promise<History> {
    const all = await this.#claim(owner);
    const data = dataOf(owner.spec.template);
    const text = canonicalText(data);
    const found = all.findLast((revision) => this.#textOf(revision) === text);
    const highest = all.at(-1)?.revision ?? 0;
    if (!found) return this.#create(owner, { data, text }, all);
    const { revision = 0 } = found;
    if (revision === highest) return { type: 'found', current: found, all };
    const current = await this.#renumber(owner, found, highest + 1);
    return { type: 'found', current, all: [...all.filter((one) => one !== found), current] };
  }

  /** Deletes the oldest revisions beyond the history limit, except those in `live` (names). A negative limit keeps all. */
  async truncate(owner: Revisioned, all: readonly ControllerRevision[], live: ReadonlySet<string>): Promise<void> {
    const { revisionHistoryLimit: limit = 10 } = owner.spec;
    const unused = all.filter(({ metadata }) => !live.has(metadata.name));
    const surplus = limit < 0 ? 0 : unused.length - limit;
    for (const { metadata } of unused.slice(0, Math.max(0, surplus))) {
      const { name, namespace, uid } = metadata;
      await this.#deps.client
        .delete('ControllerRevision', name, { namespace, preconditions: { uid } })
        .catch(ignoring('NotFound', 'Conflict'));
    }
  }

  /** The owners of a kind that the change of a revision affects. */
  *ownersOf(kind: string, { before, after }: Change): Iterable<string> {
    for (const revision of [before, after]) {
      const owner = revision && controllerOf(revision);
      if (owner?.kind === kind) yield `${revision?.metadata.namespace}/${owner.name}`;
    }
  }

  async #claim(owner: Revisioned): Promise<ControllerRevision[]> {
    const selector = selectorOf(owner.spec.selector);
    const all = await claimDependents(this.#deps, this.#expectations, 'ControllerRevision', {
      owner,
      selects: ({ metadata }) => matchesLabels(selector, metadata.labels ?? {}),
      isActive: ({ metadata }) => !metadata.deletionTimestamp,
    });
    return all.sort(byRevision);
  }

  async #create(
    owner: Revisioned,
    { data, text }: { readonly data: RevisionData; readonly text: string },
    all: readonly ControllerRevision[],
  ): Promise<History> {
    const { client } = this.#deps;
    const { name: ownerName, namespace } = owner.metadata;
    const hash = hashOf(text, owner.status?.collisionCount ?? 0);
    const name = `${ownerName}-${hash}`;
    const draft = {
      metadata: {
        name,
        namespace,
        labels: { ...owner.spec.template.metadata?.labels, [hashLabel]: hash },
        annotations: owner.metadata.annotations,
        ownerReferences: [controllerReference(owner)],
      },
      data,
      revision: (all.at(-1)?.revision ?? 0) + 1,
    };
    try {
      const current = await client.create('ControllerRevision', draft);
      this.#expectations.expect(keyOf(owner), current);
      return { type: 'found', current, all: [...all, current] };
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists')) throw error;
    }
    const present = await client.get('ControllerRevision', name, namespace);
    const isOurs = controllerOf(present)?.uid === owner.metadata.uid;
    if (!isOurs || this.#textOf(present) !== text) return { type: 'collision' };
    this.#expectations.expect(keyOf(owner), present);
    return { type: 'found', current: present, all: [...all, present] };
  }

  #textOf(revision: ControllerRevision): string {
    let text = this.#texts.get(revision);
    if (text === undefined) {
      text = canonicalText(revision.data);
      this.#texts.set(revision, text);
    }
    return text;
  }

  /** A template that returns, by a rollback, becomes the newest revision. */
  async #renumber(owner: Revisioned, found: ControllerRevision, revision: number): Promise<ControllerRevision> {
    const { name, namespace, resourceVersion } = found.metadata;
    const body = { metadata: { resourceVersion }, revision };
    const patched = await this.#deps.client.patch('ControllerRevision', name, { type: 'merge', body }, { namespace });
    this.#expectations.expect(keyOf(owner), patched);
    return patched;
  }
}

interface RevisionData {
  readonly [name: string]: unknown;
  readonly spec: { readonly template: object };
}

/** A strategic merge patch that restores the template: `rollout undo` applies it. */
function dataOf(template: PodTemplateSpec): RevisionData {
  return { spec: { template: { ...structuredClone(template), $patch: 'replace' } } };
}

/** The template that a revision keeps. */
export function templateOf({ data }: ControllerRevision): PodTemplateSpec {
  const { $patch: _patch, ...template } = (data as RevisionData).spec.template as PodTemplateSpec & { $patch?: string };
  return template;
}

/** The hash of a revision, which the pods of a DaemonSet have as a label. */
export function revisionHash({ metadata }: ControllerRevision): string {
  return metadata.labels?.[hashLabel] ?? metadata.name;
}

/** In the order of revisions; equal ones by age, then by name. */
function byRevision(a: ControllerRevision, b: ControllerRevision): number {
  return (a.revision ?? 0) - (b.revision ?? 0) || oldestFirst(a, b);
}
