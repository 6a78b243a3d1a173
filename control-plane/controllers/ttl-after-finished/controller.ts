import { parseTime } from '../../../shared/clock.ts';
import { ignoring } from '../../../shared/errors.ts';
import type { Job } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { splitKey } from '../../../shared/object.ts';
import type { Controller, ControllerDeps } from '../controller.ts';

/** Deletes each finished Job, with its pods, once its ttlSecondsAfterFinished have passed. */
export function createTtlAfterFinishedController({ client, informers, clock }: ControllerDeps): Controller {
  const jobs = informers.of('Job');

  function* keysOf({ key, after }: Change): Iterable<string> {
    if (after && expiresAt(after as Job) !== undefined) yield key;
  }

  async function reconcile(key: string): Promise<number | undefined> {
    const known = jobs.get(key);
    const due = known && expiresAt(known);
    if (due === undefined) return undefined;
    if (due > clock.now()) return due - clock.now();
    // The time to live may have been changed since.
    const { namespace, name } = splitKey(key);
    const job = await client.get('Job', name, namespace).catch(ignoring('NotFound'));
    const still = job && expiresAt(job);
    if (!job || still === undefined) return undefined;
    if (still > clock.now()) return still - clock.now();
    const { uid, resourceVersion } = job.metadata;
    const preconditions = { uid, resourceVersion };
    await client
      .delete('Job', name, { namespace, propagationPolicy: 'Foreground', preconditions })
      .catch(ignoring('NotFound'));
    return undefined;
  }

  return { name: 'ttl-after-finished-controller', kinds: ['Job'], workers: 5, keysOf, reconcile };
}

/** When a finished Job may be deleted, in milliseconds since the epoch; undefined: never, or it is being deleted already. */
export function expiresAt({ metadata, spec, status }: Job): number | undefined {
  if (spec.ttlSecondsAfterFinished === undefined || metadata.deletionTimestamp !== undefined) return undefined;
  const finished = status?.conditions?.find(
    ({ type, status: value }) => (type === 'Complete' || type === 'Failed') && value === 'True',
  );
  const at = parseTime(finished?.lastTransitionTime);
  return at === undefined ? undefined : at + spec.ttlSecondsAfterFinished * 1000;
}
