import { formatTime } from '../../../shared/clock.ts';
import { hasCause, isApiError, messageOf } from '../../../shared/errors.ts';
import type { PersistentVolumeClaim, Pod, PodTemplateSpec, StatefulSet } from '../../../shared/generated/types.ts';
import { controllerOf, keyOf } from '../../../shared/object.ts';
import type { ControllerDeps } from '../controller.ts';
import { Expectations } from '../expectations.ts';
import { inBatches, slowStart } from '../owned-pods/in-batches.ts';
import { claimDrafts, claimOwners, isStale } from './claims.ts';
import { identityLabels, isWanted, ordinalOf, podName } from './identity.ts';
import type { NewPod, StatefulSetPlan } from './plan.ts';
import { statefulPod } from './pod.ts';

/** The writes of the StatefulSet controller, with events on the set. */
export class StatefulWrites {
  readonly #deps: ControllerDeps;
  readonly #expectations: Expectations;
  /** The pods that were deleted here; they keep their names until they are gone. */
  readonly #deletions: Expectations;

  constructor(deps: ControllerDeps, expectations: Expectations) {
    this.#deps = deps;
    this.#expectations = expectations;
    this.#deletions = new Expectations(deps.clock);
  }

  deletionObserved(uid: string): void {
    this.#deletions.deletionObserved(uid);
  }

  /** The pod as it is once the informers show its deletion. */
  withDeletion(pod: Pod): Pod {
    const { metadata } = pod;
    if (metadata.deletionTimestamp || !this.#deletions.isDeletionExpected(metadata.uid)) return pod;
    return { ...pod, metadata: { ...metadata, deletionTimestamp: formatTime(this.#deps.clock.now()) } };
  }

  /**
   * Brings claims to their owners, then creates, then deletes: the claims of a surplus pod belong to it before it goes. Returns the first
   * failure: the status is written in any case.
   */
  async carryOut(
    set: StatefulSet,
    pods: readonly Pod[],
    plan: StatefulSetPlan,
    templates: ReadonlyMap<string, PodTemplateSpec>,
    signal: AbortSignal,
  ): Promise<unknown> {
    try {
      await inBatches(pods, (pod) => this.#keepIdentity(set, pod), signal);
      await slowStart(plan.create, (pod) => this.#create(set, pod, templates), signal);
      await inBatches(plan.delete, (pod) => this.#delete(set, pod), signal);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** The claims and labels of a pod that is there. */
  async #keepIdentity(set: StatefulSet, pod: Pod): Promise<void> {
    const ordinal = ordinalOf(set, pod);
    if (ordinal === undefined) return;
    for (const { metadata } of claimDrafts(set, ordinal)) {
      const claim = this.#claim(set, metadata.name);
      if (claim) await this.#setOwners(set, pod, claim);
    }
    if (!isWanted(set, ordinal) || pod.metadata.deletionTimestamp) return;
    if (pod.status?.phase === 'Pending') await this.#createClaims(set, ordinal);
    await this.#setLabels(set, pod, ordinal);
  }

  async #setOwners(set: StatefulSet, pod: Pod, claim: PersistentVolumeClaim): Promise<void> {
    const next = claimOwners(claim, set, pod);
    if (!next) return;
    const { name, namespace, resourceVersion } = claim.metadata;
    if (next.isConflict) {
      const message = `PersistentVolumeClaim ${name} has a conflicting OwnerReference that acts as a managing controller, the retention policy is ignored for this claim`;
      this.#deps.events.event(set, 'Warning', 'ConflictingController', message);
    }
    const body = { metadata: { resourceVersion, ownerReferences: next.ownerReferences } };
    const { client } = this.#deps;
    const written = await client.patch('PersistentVolumeClaim', name, { type: 'merge', body }, { namespace });
    this.#expectations.expect(keyOf(set), written);
  }

  /** The labels of a pod's identity, which an adopted pod may lack. */
  async #setLabels(set: StatefulSet, { metadata }: Pod, ordinal: number): Promise<void> {
    const labels = identityLabels(set, ordinal);
    if (Object.entries(labels).every(([key, value]) => metadata.labels?.[key] === value)) return;
    const { name, namespace, resourceVersion } = metadata;
    const body = { metadata: { resourceVersion, labels } };
    const written = await this.#deps.client.patch('Pod', name, { type: 'merge', body }, { namespace });
    this.#expectations.expect(keyOf(set), written);
  }

  async #create(set: StatefulSet, pod: NewPod, templates: ReadonlyMap<string, PodTemplateSpec>): Promise<void> {
    const template = templates.get(pod.revision);
    const name = podName(set, pod.ordinal);
    // The deletion of a stale claim queues the set again.
    if (!template || this.#hasStaleClaim(set, pod.ordinal)) return;
    try {
      await this.#createClaims(set, pod.ordinal);
      const created = await this.#deps.client.create('Pod', statefulPod(set, pod, template));
      this.#expectations.expect(keyOf(set), created);
      this.#say(set, 'create', `Pod ${name}`);
    } catch (error) {
      if (hasCause(error, 'NamespaceTerminating')) return;
      if (isApiError(error, 'AlreadyExists') && (await this.#isOurs(set, name))) return;
      this.#say(set, 'create', `Pod ${name}`, error);
      throw error;
    }
  }

  /** Whether the set controls the pod that has the name: the informers have yet to show it. */
  async #isOurs(set: StatefulSet, name: string): Promise<boolean> {
    const present = await this.#deps.client.get('Pod', name, set.metadata.namespace);
    if (controllerOf(present)?.uid !== set.metadata.uid) return false;
    this.#expectations.expect(keyOf(set), present);
    return true;
  }

  #hasStaleClaim(set: StatefulSet, ordinal: number): boolean {
    return claimDrafts(set, ordinal).some(({ metadata }) => {
      const claim = this.#claim(set, metadata.name);
      return claim !== undefined && isStale(claim, set, ordinal);
    });
  }

  /** Creates those claims of an ordinal that are missing. Throws when one is being deleted: its name is in use until it is gone. */
  async #createClaims(set: StatefulSet, ordinal: number): Promise<void> {
    const { client } = this.#deps;
    for (const draft of claimDrafts(set, ordinal)) {
      const { name } = draft.metadata;
      const present = this.#claim(set, name);
      if (present?.metadata.deletionTimestamp) throw new Error(`pvc ${name} is being deleted`);
      if (present) continue;
      const what = `Claim ${name} Pod ${podName(set, ordinal)}`;
      try {
        this.#expectations.expect(keyOf(set), await client.create('PersistentVolumeClaim', draft));
        this.#say(set, 'create', what);
      } catch (error) {
        if (isApiError(error, 'AlreadyExists')) continue;
        if (!hasCause(error, 'NamespaceTerminating')) this.#say(set, 'create', what, error);
        throw error;
      }
    }
  }

  /** Deletes the pod by uid: another pod that has the name by then stays. */
  async #delete(set: StatefulSet, { metadata }: Pod): Promise<void> {
    const { name, namespace, uid } = metadata;
    this.#deletions.expectDeletion(uid);
    try {
      await this.#deps.client.delete('Pod', name, { namespace, preconditions: { uid } });
      this.#say(set, 'delete', `Pod ${name}`);
    } catch (error) {
      if (isApiError(error, 'NotFound', 'Conflict')) return;
      this.#deletions.deletionObserved(uid);
      this.#say(set, 'delete', `Pod ${name}`, error);
      throw error;
    }
  }

  #claim({ metadata }: StatefulSet, name = ''): PersistentVolumeClaim | undefined {
    return this.#deps.informers.of('PersistentVolumeClaim').get(`${metadata.namespace}/${name}`);
  }

  /** An event in Kubernetes' words. */
  #say(set: StatefulSet, verb: 'create' | 'delete', what: string, failure?: unknown): void {
    const reason = `${failure ? 'Failed' : 'Successful'}${verb === 'create' ? 'Create' : 'Delete'}`;
    const outcome = failure ? `failed error: ${messageOf(failure)}` : 'successful';
    const message = `${verb} ${what} in StatefulSet ${set.metadata.name} ${outcome}`;
    this.#deps.events.event(set, failure ? 'Warning' : 'Normal', reason, message);
  }
}
