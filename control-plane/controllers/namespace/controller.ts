import { isDeepStrictEqual } from 'node:util';
import { formatTime } from '../../../shared/clock.ts';
import { ignoring, messageOf } from '../../../shared/errors.ts';
import type { Kind, Namespace, NamespaceCondition } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { kinds } from '../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { withCondition } from '../../../shared/pod.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { type Leftover, namespaceConditions } from './conditions.ts';

/** How many objects of a namespace are deleted at the same time, and read at once. */
const parallel = 16;
const page = 500;
/** Until the last pod has ended its grace period. */
const requeueAfterMs = 500;

/** The finalizer in a namespace's spec that this controller removes. */
const ownFinalizer = 'kubernetes';

/** Deletes the contents of namespaces that are being deleted, then their finalizer; conditions name what is left. */
export function createNamespaceController(deps: ControllerDeps): Controller {
  const { client, informers, clock } = deps;
  const namespaces = informers.of('Namespace');
  const contents = kinds.filter((kind) => kind.namespaced);

  function* keysOf({ kind, key }: Change): Iterable<string> {
    if (kind === 'Namespace') yield key;
  }

  async function reconcile(name: string, signal: AbortSignal): Promise<number | undefined> {
    if (!namespaces.get(name)?.metadata.deletionTimestamp) return undefined;
    // Informers may show a namespace that is gone: its contents would be those of a new one with its name.
    const namespace = await client.get('Namespace', name).catch(ignoring('NotFound'));
    if (!namespace?.metadata.deletionTimestamp) return undefined;
    if (!namespace.spec?.finalizers?.includes(ownFinalizer)) return undefined;
    const left: Leftover[] = [];
    const failures: string[] = [];
    for (const def of contents) {
      signal.throwIfAborted();
      try {
        const items = await empty(def.kind as Kind, name, signal);
        if (items.length > 0) left.push({ def, items });
      } catch (error) {
        // The failure of one kind does not keep the others.
        failures.push(messageOf(error));
      }
    }
    const reported = await report(namespace, left, failures);
    if (left.length > 0 || failures.length > 0) return requeueAfterMs;
    await release(reported);
    return undefined;
  }

  /** Deletes all of a kind; returns what is still there. */
  async function empty(kind: Kind, namespace: string, signal: AbortSignal): Promise<readonly KubeObject[]> {
    const { items } = await client.list(kind, { namespace, limit: page });
    if (items.length === 0) return [];
    for (let start = 0; start < items.length && !signal.aborted; start += parallel) {
      await Promise.all(items.slice(start, start + parallel).map((item) => remove(kind, item)));
    }
    return (await client.list(kind, { namespace, limit: page })).items;
  }

  async function remove(kind: Kind, { metadata }: KubeObject): Promise<void> {
    if (metadata.deletionTimestamp) return;
    const { name, namespace, uid } = metadata;
    await client
      .delete(kind, name, { namespace, propagationPolicy: 'Background', preconditions: { uid } })
      .catch(ignoring('NotFound', 'Conflict'));
  }

  async function report(
    namespace: Namespace,
    left: readonly Leftover[],
    failures: readonly string[],
  ): Promise<Namespace> {
    const before = namespace.status?.conditions;
    // One that empties at the first try goes without a word.
    if (left.length === 0 && failures.length === 0 && !before) return namespace;
    const lastTransitionTime = formatTime(clock.now());
    let conditions: NamespaceCondition[] | undefined = before;
    for (const condition of namespaceConditions(left, failures)) {
      conditions = withCondition(conditions, { ...condition, lastTransitionTime });
    }
    const status = { ...namespace.status, phase: 'Terminating' as const, conditions };
    if (isDeepStrictEqual(status, namespace.status)) return namespace;
    return client.updateStatus('Namespace', { ...namespace, status });
  }

  /** Guarded by the version: a finalizer that was added meanwhile stays. */
  async function release({ metadata: { name, resourceVersion }, spec }: Namespace): Promise<void> {
    const finalizers = (spec?.finalizers ?? []).filter((one) => one !== ownFinalizer);
    const body = { metadata: { resourceVersion }, spec: { finalizers } };
    await client
      .patch('Namespace', name, { type: 'merge', body }, { subresource: 'finalize' })
      .catch(ignoring('NotFound'));
  }

  return { name: 'namespace-controller', kinds: ['Namespace'], workers: 4, keysOf, reconcile };
}
