import type { Container, EnvVarSource } from '../../../shared/generated/types.ts';
import {
  ConfigError,
  fieldValue,
  type PodEnvironment,
  type PodFacts,
  type PodInputs,
  resourceValue,
} from '../inputs.ts';

/**
 * The most characters that the variables of one container may expand to: a quarter of a stack of 8 MiB, which execve(2) takes as arguments
 * and environment. Variables may refer to one another, so that each could double the one before.
 */
const maxExpanded = 2 * 1024 * 1024;

/** The budget of an expansion, in characters. */
export interface Expansion {
  left: number;
}

export function newExpansion(): Expansion {
  return { left: maxExpanded };
}

/**
 * A container's environment: the API server, then envFrom, then env. Later names win; `$(NAME)` is expanded from earlier ones. Throws
 * ConfigError for an object or key that is missing and not optional.
 */
export function containerEnv(
  environment: PodEnvironment,
  container: Container,
): Array<{ name: string; value: string }> {
  const { pod, inputs, facts } = environment;
  const env = new Map<string, string>(apiVariables(facts));
  const expansion = newExpansion();
  const namespace = pod.metadata.namespace ?? '';
  for (const from of container.envFrom ?? []) {
    for (const [key, value] of envFromValues(namespace, from, inputs)) {
      const name = `${from.prefix ?? ''}${key}`;
      if (isEnvName(name)) env.set(name, value);
    }
  }
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom
      ? sourceValue(environment, container, variable.valueFrom)
      : expand(variable.value ?? '', env, expansion);
    if (value !== undefined) env.set(variable.name, value);
  }
  return [...env].map(([name, value]) => ({ name, value }));
}

/** The variables of the service default/kubernetes, which every container has (kubelet, `envvars.FromServices`). */
function apiVariables({ kubernetes }: PodFacts): Array<[string, string]> {
  if (!kubernetes) return [];
  const { host } = kubernetes;
  const port = String(kubernetes.port);
  const url = `tcp://${host}:${port}`;
  return [
    ['KUBERNETES_SERVICE_HOST', host],
    ['KUBERNETES_SERVICE_PORT', port],
    ['KUBERNETES_SERVICE_PORT_HTTPS', port],
    ['KUBERNETES_PORT', url],
    [`KUBERNETES_PORT_${port}_TCP`, url],
    [`KUBERNETES_PORT_${port}_TCP_PROTO`, 'tcp'],
    [`KUBERNETES_PORT_${port}_TCP_PORT`, port],
    [`KUBERNETES_PORT_${port}_TCP_ADDR`, host],
  ];
}

/** Values by name. */
interface Variables {
  get(name: string): string | undefined;
}

/**
 * Replaces `$(NAME)` by its value, and `$$` by `$`; unknown names stay. A reference ends at the next `)` (kubelet, `expansion.Expand`).
 * Throws ConfigError when the budget of the expansion is used up, before it makes the text.
 */
export function expand(text: string, variables: Variables, expansion: Expansion): string {
  // There is no reference behind the last `)`. Before it every `$(` has an end, so that the expression takes linear time.
  const end = text.lastIndexOf(')') + 1;
  const head = text.slice(0, end).replace(/\$\$|\$\(([^)]*)\)/g, (match, name: string | undefined) => {
    if (name === undefined) return '$';
    const value = variables.get(name) ?? match;
    expansion.left -= value.length;
    if (expansion.left < 0) throw new ConfigError(`the variables expand to more than ${maxExpanded} characters`);
    return value;
  });
  return head + text.slice(end).replaceAll('$$', () => '$');
}

/** Expands a subPathExpr. Throws ConfigError for a name without a value, which would make it another path, or the whole volume. */
export function expandSubPath(text: string, variables: Variables, expansion: Expansion): string {
  const missing = new Set<string>();
  const lookup = (name: string): string => {
    const value = variables.get(name) ?? '';
    if (value === '') missing.add(name);
    return value;
  };
  const path = expand(text, { get: lookup }, expansion);
  if (missing.size > 0) throw new ConfigError(`missing value for ${[...missing].sort().join(', ')}`);
  return path;
}

function envFromValues(
  namespace: string,
  from: NonNullable<Container['envFrom']>[number],
  inputs: PodInputs,
): Array<[string, string]> {
  if (from.configMapRef) {
    const { name = '', optional } = from.configMapRef;
    const map = inputs.configMap(namespace, name);
    if (!map && !optional) throw new ConfigError(`configmap ${JSON.stringify(name)} not found`);
    return Object.entries(map?.data ?? {});
  }
  if (from.secretRef) {
    const { name = '', optional } = from.secretRef;
    const secret = inputs.secret(namespace, name);
    if (!secret && !optional) throw new ConfigError(`secret ${JSON.stringify(name)} not found`);
    return Object.entries(secret?.data ?? {}).map(([key, value]) => [key, decode(value)]);
  }
  return [];
}

function sourceValue(
  { pod, inputs, facts }: PodEnvironment,
  container: Container,
  source: EnvVarSource,
): string | undefined {
  const namespace = pod.metadata.namespace ?? '';
  if (source.fieldRef) return fieldValue(pod, source.fieldRef.fieldPath, facts);
  if (source.resourceFieldRef) {
    const { containerName = container.name } = source.resourceFieldRef;
    return resourceValue(pod, containerName || container.name, source.resourceFieldRef, facts);
  }
  if (source.configMapKeyRef) {
    const { name = '', key, optional } = source.configMapKeyRef;
    const map = inputs.configMap(namespace, name);
    if (map?.data?.[key] !== undefined) return map.data[key];
    if (optional) return undefined;
    if (!map) throw new ConfigError(`configmap ${JSON.stringify(name)} not found`);
    throw new ConfigError(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`);
  }
  if (source.secretKeyRef) {
    const { name = '', key, optional } = source.secretKeyRef;
    const secret = inputs.secret(namespace, name);
    if (secret?.data?.[key] !== undefined) return decode(secret.data[key]);
    if (optional) return undefined;
    if (!secret) throw new ConfigError(`secret ${JSON.stringify(name)} not found`);
    throw new ConfigError(`couldn't find key ${key} in Secret ${namespace}/${name}`);
  }
  return '';
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

/** Keys that are not names of variables are skipped, as in Kubernetes. */
function isEnvName(name: string): boolean {
  return /^[^=\s]+$/.test(name);
}
