import type { Container, Pod, ServiceAccount } from '../../../../../shared/generated/types.ts';
import { isTrue } from '../../../../../shared/text.ts';

/** With this annotation, pods of the account may reference only the secrets that the account names. */
const enforceAnnotation = 'kubernetes.io/enforce-mountable-secrets';

/** Throws `refused(…)` for the first secret that the account does not name. */
export function checkSecrets(pod: Pod, account: ServiceAccount, refused: (why: string) => Error): void {
  const { name, annotations } = account.metadata;
  if (!isTrue(annotations?.[enforceAnnotation] ?? '')) return;
  const mountable = new Set((account.secrets ?? []).map((secret) => secret.name));
  const check = (secret: string | undefined, what: string): void => {
    if (secret === undefined || mountable.has(secret)) return;
    throw refused(`${what} is not allowed because service account ${name} does not reference that secret`);
  };
  const { volumes = [], initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec;
  const { imagePullSecrets = [] } = pod.spec;
  for (const { secret } of volumes) {
    check(secret?.secretName, `volume with secret.secretName=${JSON.stringify(secret?.secretName)}`);
  }
  const checkContainer = (noun: string, { name: container, env = [], envFrom = [] }: Container): void => {
    for (const variable of env) {
      const secret = variable.valueFrom?.secretKeyRef?.name;
      const what = `${noun} ${container} with envVar ${variable.name} referencing secret.secretName=${JSON.stringify(secret)}`;
      check(secret, what);
    }
    for (const { secretRef } of envFrom) {
      const what = `${noun} ${container} with envFrom referencing secret.secretName=${JSON.stringify(secretRef?.name)}`;
      check(secretRef?.name, what);
    }
  };
  for (const container of initContainers) checkContainer('init container', container);
  for (const container of containers) checkContainer('container', container);
  for (const container of ephemeralContainers) checkContainer('ephemeral container', container);
  const pullable = new Set((account.imagePullSecrets ?? []).map((secret) => secret.name));
  for (const [index, { name: secret }] of imagePullSecrets.entries()) {
    if (pullable.has(secret)) continue;
    throw refused(
      `imagePullSecrets[${index}].name=${JSON.stringify(secret)} is not allowed because service account ${name} does not reference that imagePullSecret`,
    );
  }
}
