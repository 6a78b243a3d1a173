import { isDeepStrictEqual } from 'node:util';
import { formatTime } from '../../shared/clock.ts';
import { ignoring } from '../../shared/errors.ts';
import type { Kind, Namespace, NamespaceCondition } from '../../shared/generated/types.ts';
import type { Change } from '../../shared/informer.ts';
import { kinds } from '../../shared/kinds/index.ts';
import type { KubeObject } from '../../shared/object.ts';
import { withCondition } from '../../shared/pod.ts';
import type { Controller, ControllerDeps } from './controller.ts';

/** How many objects of a namespace are deleted at the same time, and read at once. */
const parallel = 16;
const page = 500;
/** Pods take their grace: look again so often until the last is gone. */
const lookAgainMs = 500;

/** Empties namespaces that are being deleted and lets them go; says by name what still holds one. Gives each living one its default account. */
export function createNamespaceController(deps: ControllerDeps): Controller {
  const { client, informers, clock } = deps;
  const namespaces = informers.of('Namespace');
  const contents = kinds.filter((kind) => kind.namespaced).map(({ kind }) => kind as Kind);

  function* keysOf({ kind, key, before, after }: Change): Iterable<string> {
    if (kind === 'Namespace') yield key;
    if (kind === 'ServiceAccount' && before && !after) yield before.metadata.namespace ?? '';
  }

  async function reconcile(name: string, signal: AbortSignal): Promise<number | undefined> {
    const namespace = namespaces.get(name);
    if (!namespace) return undefined;
    if (!namespace.metadata.deletionTimestamp) return ensureAccount(name);
    const left = await empty(name, signal);
    if (left.length > 0) {
      await report(namespace, left);
      return lookAgainMs;
    }
    await release(namespace);
    return undefined;
  }

  async function ensureAccount(namespace: string): Promise<undefined> {
    if (informers.of('ServiceAccount').get(`${namespace}/default`)) return;
    await client
      .create('ServiceAccount', { metadata: { name: 'default', namespace } })
      .catch(ignoring('AlreadyExists', 'Forbidden', 'NotFound'));
  }

  /** Deletes what is in it; returns what is still there. */
  async function empty(namespace: string, signal: AbortSignal): Promise<KubeObject[]> {
    const left: KubeObject[] = [];
    for (const kind of contents) {
      const { items } = await client.list(kind, { namespace, limit: page });
      for (let start = 0; start < items.length && !signal.aborted; start += parallel) {
        await Promise.all(items.slice(start, start + parallel).map((item) => remove(kind, item)));
      }
      if (items.length > 0) left.push(...(await client.list(kind, { namespace, limit: page })).items);
    }
    return left;
  }

  async function remove(kind: Kind, { metadata }: KubeObject): Promise<void> {
    if (metadata.deletionTimestamp) return;
    const { name, namespace, uid } = metadata;
    await client.delete(kind, name, { namespace, preconditions: { uid } }).catch(ignoring('NotFound', 'Conflict'));
  }

  async function report(namespace: Namespace, left: readonly KubeObject[]): Promise<void> {
    const lastTransitionTime = formatTime(clock.now());
    const held = left.filter(({ metadata }) => metadata.finalizers?.length);
    let conditions = withCondition(namespace.status?.conditions, {
      type: 'NamespaceContentRemaining',
      status: 'True',
      reason: 'SomeResourcesRemain',
      message: `Some resources are remaining: ${names(left)}`,
      lastTransitionTime,
    } satisfies NamespaceCondition);
    conditions = withCondition(conditions, {
      type: 'NamespaceFinalizersRemaining',
      status: held.length > 0 ? 'True' : 'False',
      reason: held.length > 0 ? 'SomeFinalizersRemain' : 'ContentHasNoFinalizers',
      message:
        held.length > 0
          ? `Some content in the namespace has finalizers remaining: ${names(held)}`
          : 'All content-preserving finalizers finished',
      lastTransitionTime,
    } satisfies NamespaceCondition);
    const status = { ...namespace.status, phase: 'Terminating' as const, conditions };
    if (isDeepStrictEqual(status, namespace.status)) return;
    await client.updateStatus('Namespace', { ...namespace, status });
  }

  async function release({ metadata: { name } }: Namespace): Promise<void> {
    const body = { spec: { finalizers: [] } };
    await client
      .patch('Namespace', name, { type: 'merge', body }, { subresource: 'finalize' })
      .catch(ignoring('NotFound'));
  }

  return { name: 'namespace-controller', kinds: ['Namespace', 'ServiceAccount'], workers: 4, keysOf, reconcile };
}

function names(objects: readonly KubeObject[]): string {
  const shown = objects.slice(0, 10).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  return shown.join(', ') + (objects.length > shown.length ? ` and ${objects.length - shown.length} more` : '');
}
