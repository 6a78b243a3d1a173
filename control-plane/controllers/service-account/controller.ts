import { ignoring } from '../../../shared/errors.ts';
import type { Change } from '../../../shared/informer.ts';
import { defaultAccount, defaultAccountName } from '../../../shared/namespace-contents.ts';
import type { Controller, ControllerDeps } from '../controller.ts';

/** Gives each living namespace its default account anew when somebody has deleted it. */
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
    // Whoever is faster, and a namespace that goes meanwhile, leave nothing to do.
    await client
      .create('ServiceAccount', defaultAccount(name))
      .catch(ignoring('AlreadyExists', 'Forbidden', 'NotFound'));
  }

  return { name: 'service-account-controller', kinds: ['Namespace', 'ServiceAccount'], workers: 2, keysOf, reconcile };
}
