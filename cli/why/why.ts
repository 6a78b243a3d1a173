import { isApiError } from '../../shared/errors.ts';
import type { Cluster } from '../cluster.ts';
import { explainPod } from './explain-pod.ts';

/** Prints why a pod is on its node, or why it is on none. */
export async function why({ client, namespace, io }: Cluster, word: string): Promise<void> {
  const name = word.replace(/^(po|pod|pods)\//, '');
  const pod = await client.get('Pod', name, namespace);
  const fieldSelector = `involvedObject.kind=Pod,involvedObject.name=${name}`;
  const [events, nodes, pods, namespaces, claims, volumes, classes] = await Promise.all([
    client.list('Event', { namespace, fieldSelector }),
    // A user without the right to list one of these still gets the rest.
    orNone(client.list('Node')),
    orNone(client.list('Pod')),
    orNone(client.list('Namespace')),
    orNone(client.list('PersistentVolumeClaim', { namespace })),
    orNone(client.list('PersistentVolume')),
    orNone(client.list('StorageClass')),
  ]);
  const facts = {
    pod,
    events: events.items.filter(({ involvedObject: { uid } }) => !uid || uid === pod.metadata.uid),
    nodes: nodes?.items,
    pods: pods?.items,
    namespaces: namespaces?.items,
    storage: claims && volumes && classes && { claims: claims.items, volumes: volumes.items, classes: classes.items },
  };
  io.out(explainPod(facts, io.clock.now()));
}

async function orNone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isApiError(error, 'Forbidden')) return undefined;
    throw error;
  }
}
