import type { Container, Secret } from '../../../shared/generated/types.ts';
import type { RegistryAuth } from '../../runtime/runtime.ts';

const defaultServer = 'docker.io';
const part = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const domain =
  '(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?';
const syntax = new RegExp(
  `^(?:${domain}/)?${part}(?:/${part})*(?::[\\w][\\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?$`,
);

/** Whether the text is an image reference (the distribution project's grammar). */
export function isImageName(image: string): boolean {
  return image.length <= 4096 && syntax.test(image);
}

/** Default: `Always` when the tag is `latest` or absent, else `IfNotPresent`. */
export function pullPolicy(container: Container): string {
  if (container.imagePullPolicy) return container.imagePullPolicy;
  const image = container.image ?? '';
  const tag = image.includes('@') ? 'digest' : (/:([\w.-]+)$/.exec(image)?.[1] ?? 'latest');
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

/** The registry of an image. */
export function serverOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost') ? first : defaultServer;
}

/** The credentials for the image among the pod's pull secrets. */
export function credentialsFor(image: string, secrets: readonly Secret[]): RegistryAuth | undefined {
  const server = serverOf(image);
  for (const secret of secrets) {
    for (const [key, entry] of Object.entries(dockerAuths(secret))) {
      if (!entry) continue;
      const host = key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
      if (host !== server && !(server === defaultServer && host.endsWith(`.${defaultServer}`))) continue;
      const [user = '', ...rest] = entry.auth ? Buffer.from(entry.auth, 'base64').toString('utf8').split(':') : [];
      return { username: entry.username ?? user, password: entry.password ?? rest.join(':'), server: key };
    }
  }
  return undefined;
}

interface DockerAuth {
  auth?: string;
  username?: string;
  password?: string;
}

/** A malformed Secret counts as without credentials: the registry's refusal shows it. */
function dockerAuths(secret: Secret): Record<string, DockerAuth | null> {
  const text = secret.data?.['.dockerconfigjson'] ?? secret.data?.['.dockercfg'];
  if (!text) return {};
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, 'base64').toString('utf8'));
    const { auths = parsed } = (parsed ?? {}) as { auths?: unknown };
    return (auths ?? {}) as Record<string, DockerAuth | null>;
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
