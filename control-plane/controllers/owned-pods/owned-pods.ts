import { hasCause, isApiError, messageOf } from '../../../shared/errors.ts';
import type { Pod, PodTemplateSpec } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { controllerOf, type Draft, type KubeObject, keyOf } from '../../../shared/object.ts';
import { isPodActive } from '../../../shared/pod.ts';
import { matchesLabels, type Selector } from '../../../shared/selector.ts';
import type { ControllerDeps } from '../controller.ts';
import type { Expectations } from '../expectations.ts';
import { claimDependents } from './claims.ts';
import { inBatches, slowStart } from './in-batches.ts';
import { controllerReference } from './owner-references.ts';

/** What the owners of pods have in common. */
export interface PodOwners<O extends KubeObject> {
  readonly kind: O['kind'];
  /** The finalizer of all their pods. */
  readonly finalizer?: string;
  /** Where deletions are expected. Absent: in the owners' expectations, and a pod that was deleted is no longer claimed. */
  readonly deletions?: Expectations;
  /** All owners of a namespace. */
  inNamespace(namespace: string): Iterable<O>;
  selectorOf(owner: O): Selector;
}

/** The pods of one kind of owner: which are an owner's, and their creation and deletion, with events on the owner. */
export class OwnedPods<O extends KubeObject> {
  readonly #deps: ControllerDeps;
  readonly #expectations: Expectations;
  readonly #owners: PodOwners<O>;
  readonly #deletions: Expectations;

  constructor(deps: ControllerDeps, expectations: Expectations, owners: PodOwners<O>) {
    this.#deps = deps;
    this.#expectations = expectations;
    this.#owners = owners;
    this.#deletions = owners.deletions ?? expectations;
  }

  /** The owners that the change of a pod affects: its own, or for an orphan those that would adopt it. */
  *ownersOf({ before, after }: Change): Iterable<string> {
    if (before && !after) this.#deletions.deletionObserved(before.metadata.uid);
    for (const pod of [before, after]) {
      if (!pod) continue;
      const owner = controllerOf(pod);
      if (owner?.kind === this.#owners.kind) yield `${pod.metadata.namespace}/${owner.name}`;
      else if (!owner) yield* this.#selecting(pod as Pod);
    }
  }

  *#selecting(pod: Pod): Iterable<string> {
    for (const owner of this.#owners.inNamespace(pod.metadata.namespace ?? '')) {
      if (this.#selects(owner, pod)) yield keyOf(owner);
    }
  }

  #selects(owner: O, pod: Pod): boolean {
    return matchesLabels(this.#owners.selectorOf(owner), pod.metadata.labels ?? {});
  }

  claim(owner: O): Promise<Pod[]> {
    const selects = (pod: Pod): boolean => this.#selects(owner, pod);
    return claimDependents(this.#deps, this.#expectations, 'Pod', {
      owner,
      selects,
      isActive: isPodActive,
      finalizer: this.#owners.finalizer,
    });
  }

  /** Creates pods. Rejects with the failure that ended it; resolves when the namespace is being deleted, which no retry changes. */
  async create(owner: O, drafts: readonly PodDraft[], signal: AbortSignal): Promise<void> {
    const { client, events, log } = this.#deps;
    const createOne = async (draft: PodDraft): Promise<void> => {
      const pod = await client.create('Pod', draft);
      this.#expectations.expect(keyOf(owner), pod);
      events.event(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
    };
    try {
      await slowStart(drafts, createOne, signal);
    } catch (error) {
      if (hasCause(error, 'NamespaceTerminating')) return;
      await this.#awaitUnclear(owner, error);
      const message = `Error creating: ${messageOf(error)}`;
      events.event(owner, 'Warning', 'FailedCreate', message);
      log.debug({ component: owner.kind, key: keyOf(owner), err: message }, 'pod not created');
      throw error;
    }
  }

  /** After a request whose answer is lost, the pod may exist: the owner waits until the informers show the present revision. */
  async #awaitUnclear(owner: O, error: unknown): Promise<void> {
    if (isApiError(error) && !isApiError(error, 'Timeout', 'ServiceUnavailable', 'InternalError')) return;
    const { namespace } = owner.metadata;
    const { resourceVersion } = await this.#deps.client.list('Pod', { namespace, limit: 1 });
    this.#expectations.expectRevision(keyOf(owner), Number(resourceVersion));
  }

  /** Deletes these pods by uid: another pod that has the name by then stays. Rejects with the failure that ended it. */
  async delete(owner: O, pods: readonly Pod[], signal: AbortSignal): Promise<void> {
    const { client, events } = this.#deps;
    const deleteOne = async ({ metadata: { name, namespace, uid } }: Pod): Promise<void> => {
      try {
        this.#deletions.expectDeletion(uid);
        await client.delete('Pod', name, { namespace, preconditions: { uid } });
        events.event(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
      } catch (error) {
        if (isApiError(error, 'NotFound', 'Conflict')) return;
        this.#deletions.deletionObserved(uid);
        events.event(owner, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
        throw error;
      }
    };
    await inBatches(pods, deleteOne, signal);
  }
}

/** A new pod; without a name the server generates one. */
export type PodDraft = Draft<Pod>;

/** A new pod of a template, controlled by `owner`; the server generates its name. */
export function podFromTemplate(owner: KubeObject, template: PodTemplateSpec): PodDraft {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    metadata: {
      generateName: `${owner.metadata.name}-`,
      namespace: owner.metadata.namespace,
      labels,
      annotations,
      finalizers,
      ownerReferences: [controllerReference(owner)],
    },
    spec: structuredClone(template.spec),
  } as PodDraft;
}
