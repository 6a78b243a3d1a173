import { ignoring } from '../../../shared/errors.ts';
import type { Change } from '../../../shared/informer.ts';
import { defaultAccount, defaultAccountName } from '../../../shared/namespace-contents.ts';
import type { Controller, ControllerDeps } from '../controller.ts';

/** Creates each namespace's default service account again after its deletion. */
export function createServiceAccountController(deps: ControllerDeps): Controller {
  const { client, informers } = deps;

  function* keysOf({ kind, key, before, after }: Change): Iterable<string> {
    if (kind === 'Namespace') {
      if (after) yield key;
    } else if (before && !after && before.metadata.name === defaultAccountName) {
      yield before.metadata.namespace ?? '';
    }
  }

  async function reconcile(name: string): Promise<undefined> {
    const namespace = informers.of('Namespace').get(name);
    if (!namespace || namespace.metadata.deletionTimestamp) return;
    if (informers.of('ServiceAccount').get(`${name}/${defaultAccountName}`)) return;
    // Another server created it, or the namespace is being deleted.
    await client
      .create('ServiceAccount', defaultAccount(name))
      .catch(ignoring('AlreadyExists', 'Forbidden', 'NotFound'));
  }

  return { name: 'service-account-controller', kinds: ['Namespace', 'ServiceAccount'], workers: 2, keysOf, reconcile };
}
