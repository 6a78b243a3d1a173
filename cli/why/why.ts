import { isApiError } from '../../shared/errors.ts';
import type { Cluster } from '../cluster.ts';
import { explainPod } from './explain-pod.ts';

/** Asks for all that bears on where a pod is, and says it. */
export async function why({ client, namespace, io }: Cluster, word: string): Promise<void> {
  const name = word.replace(/^(po|pod|pods)\//, '');
  const pod = await client.get('Pod', name, namespace);
  const fieldSelector = `involvedObject.kind=Pod,involvedObject.name=${name}`;
  const [events, nodes, pods] = await Promise.all([
    client.list('Event', { namespace, fieldSelector }),
    // Who may not look at the nodes still learns the rest.
    orNone(client.list('Node')),
    orNone(client.list('Pod')),
  ]);
  const own = events.items.filter(({ involvedObject: { uid } }) => !uid || uid === pod.metadata.uid);
  io.out(explainPod({ pod, events: own, nodes: nodes?.items, pods: pods?.items }, io.clock.now()));
}

async function orNone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isApiError(error, 'Forbidden')) return undefined;
    throw error;
  }
}
