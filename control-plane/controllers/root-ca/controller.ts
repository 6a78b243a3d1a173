import { isDeepStrictEqual } from 'node:util';
import { ignoring } from '../../../shared/errors.ts';
import type { Change } from '../../../shared/informer.ts';
import { rootCertificateMap, rootCertificateName } from '../../../shared/namespace-contents.ts';
import type { Controller, ControllerDeps } from '../controller.ts';

/** Keeps the CA's certificate in a ConfigMap of every namespace, and restores it after a change or deletion. */
export function createRootCertificatePublisher(deps: ControllerDeps, certificate: string): Controller {
  const { client, informers } = deps;

  function* keysOf({ kind, key, before, after }: Change): Iterable<string> {
    if (kind === 'Namespace') {
      if (after) yield key;
      return;
    }
    const map = after ?? before;
    if (map?.metadata.name === rootCertificateName) yield map.metadata.namespace ?? '';
  }

  async function reconcile(name: string): Promise<undefined> {
    const namespace = informers.of('Namespace').get(name);
    if (!namespace || namespace.metadata.deletionTimestamp) return;
    const wanted = rootCertificateMap(name, certificate);
    const present = informers.of('ConfigMap').get(`${name}/${rootCertificateName}`);
    if (!present) {
      await client.create('ConfigMap', wanted).catch(ignoring('AlreadyExists', 'Forbidden', 'NotFound'));
    } else if (!isDeepStrictEqual(present.data, wanted.data)) {
      const annotations = { ...present.metadata.annotations, ...wanted.metadata.annotations };
      await client.update('ConfigMap', {
        ...present,
        metadata: { ...present.metadata, annotations },
        data: { ...wanted.data },
      });
    }
  }

  return { name: 'root-ca-certificate-publisher', kinds: ['Namespace', 'ConfigMap'], workers: 2, keysOf, reconcile };
}
