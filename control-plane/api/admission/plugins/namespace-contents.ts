import { formatTime } from '../../../../shared/clock.ts';
import type { Kind } from '../../../../shared/generated/types.ts';
import { apiVersionOf, kindNamed } from '../../../../shared/kinds/index.ts';
import { defaultAccount, rootCertificateMap } from '../../../../shared/namespace-contents.ts';
import type { Draft, KubeObject } from '../../../../shared/object.ts';
import { type Random, uuid } from '../../../../shared/random.ts';
import type { Guard, Write } from '../../../store/store.ts';
import { encodeObject } from '../../requests/codec.ts';
import type { AdmissionPlugin } from '../plugin.ts';

export interface NamespaceContentsDeps {
  readonly random: Random;
  /** PEM. Absent: it is not published. */
  readonly rootCertificate?: string | undefined;
}

/**
 * Creates a namespace together with its default service account and the CA's certificate, in one transaction, so that pods can be
 * created in it at once. Controllers restore both when they are deleted.
 */
export function namespaceContents({ random, rootCertificate }: NamespaceContentsDeps): AdmissionPlugin {
  return {
    name: 'NamespaceContents',
    rules: [{ verbs: ['create'], kinds: ['Namespace'] }],
    contribute({ now }, { metadata: { name: namespace } }, _old, states) {
      const guards: Guard[] = [];
      const writes: Write[] = [];
      const add = (kind: Kind, draft: Draft<KubeObject>): void => {
        const { name = '' } = draft.metadata;
        if (states.get(kind, name, namespace)) return;
        const key = states.key(kind, name, namespace);
        const { metadata, ...body } = draft;
        const created = { ...metadata, uid: uuid(random), creationTimestamp: formatTime(now) };
        const object = { apiVersion: apiVersionOf(kindNamed(kind)), kind, metadata: created, ...body };
        guards.push({ key, revision: 0 });
        writes.push({ type: 'put', key, value: encodeObject(object as KubeObject) });
      };
      add('ServiceAccount', defaultAccount(namespace));
      if (rootCertificate) add('ConfigMap', rootCertificateMap(namespace, rootCertificate));
      return { guards, writes };
    },
  };
}
