import type { Container, Pod } from '../../shared/generated/types.ts';
import { isPodActive, isPodReady } from '../../shared/pod.ts';
import { formatSelector, selectorOf } from '../../shared/selector.ts';
import type { Cluster } from '../cluster.ts';
import { type Io, UsageError } from '../io.ts';
import { kindNameOf, parseResources } from '../resources.ts';

const defaultContainer = 'kubectl.kubernetes.io/default-container';

/** The pods of an argument: POD, pod/POD, or those that deploy/NAME, rs/NAME or rc/NAME selects, the best ones first. */
export async function podsOf({ client, namespace }: Cluster, word: string): Promise<Pod[]> {
  if (!word.includes('/')) return [await client.get('Pod', word, namespace)];
  const [{ def, name } = { def: undefined, name: undefined }] = parseResources([word]);
  if (!def || !name) throw new UsageError(`"${word}" is not KIND/NAME`);
  if (def.kind === 'Pod') return [await client.get('Pod', name, namespace)];
  const { spec } = (await client.get(kindNameOf(def), name, namespace)) as { spec?: { selector?: unknown } };
  if (!spec?.selector) throw new UsageError(`a ${def.kind} has no pods: name a pod, or what selects pods`);
  const labelSelector = formatSelector(selectorOf(spec.selector as Parameters<typeof selectorOf>[0]));
  const { items } = await client.list('Pod', { namespace, labelSelector });
  const rank = (pod: Pod): number => Number(isPodReady(pod)) * 2 + Number(isPodActive(pod));
  const pods = [...items].sort((a, b) => rank(b) - rank(a));
  if (pods.length === 0) throw new UsageError(`${word} has no pods`);
  return pods;
}

export async function podOf(cluster: Cluster, word: string): Promise<Pod> {
  const [best] = await podsOf(cluster, word);
  if (!best) throw new UsageError(`${word} has no pods`);
  return best;
}

/** Init containers, containers and ephemeral containers, in Kubernetes' order. */
export function containersOf({ spec }: Pod): Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
}

/** The named container, else that of the annotation, else the first one; then its name is printed, as by kubectl. */
export function containerOf(pod: Pod, wanted: string | undefined, io: Pick<Io, 'err'>): Container {
  const all = containersOf(pod);
  const names = all.map(({ name }) => name);
  const preferred = wanted ?? pod.metadata.annotations?.[defaultContainer];
  const found = all.find(({ name }) => name === preferred);
  if (found) return found;
  if (wanted)
    throw new UsageError(`container ${wanted} not found in pod ${pod.metadata.name}: it has ${names.join(', ')}`);
  const [first] = pod.spec.containers;
  if (!first) throw new UsageError(`pod ${pod.metadata.name} has no containers`);
  if (all.length > 1) io.err(`Defaulted container "${first.name}" out of: ${names.join(', ')}\n`);
  return first;
}
