import { get } from 'node:http';
import type { Clock } from '../../shared/clock.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { podCondition } from '../../shared/pod.ts';
import { waitFor } from '../cluster/process.ts';
import type { RestApi } from '../cluster/rest.ts';

/** Reads and checks the pods of `examples/web.yaml`, for the demos and the tests. */

export const webPort = 8080;

export async function webPods(api: RestApi): Promise<Pod[]> {
  return (await api.call<{ items: Pod[] }>('GET', '/api/v1/namespaces/default/pods?labelSelector=app%3Dweb')).items;
}

export function isPodReady(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp === undefined && podCondition(pod, 'Ready')?.status === 'True';
}

/** Reads a page; fails with the connection's error, or after `timeoutMs`. */
export function readPage(host: string, timeoutMs = 1_000): Promise<string> {
  return new Promise((resolve, reject) => {
    // A connection per request: a kept one could reach a pod that is gone.
    const req = get({ host, port: webPort, path: '/', agent: false, timeout: timeoutMs }, (res) => {
      const parts: Buffer[] = [];
      res.on('data', (part: Buffer) => parts.push(part));
      res.on('error', reject);
      res.on('end', () => {
        if (res.statusCode === 200) resolve(Buffer.concat(parts).toString());
        else reject(new Error(`http://${host}:${webPort}/: ${res.statusCode}`));
      });
    });
    req.on('timeout', () => req.destroy(new Error(`http://${host}:${webPort}/ does not answer`)));
    req.on('error', reject);
  });
}

/** Undefined when the pod answers on its address with the page of its sidecar, otherwise the fault. */
export async function faultOf(
  pod: Pod,
  read: (address: string) => Promise<string> = readPage,
): Promise<string | undefined> {
  const { name } = pod.metadata;
  const address = pod.status?.podIP;
  if (address === undefined) return `${name} has no address`;
  let page: string;
  try {
    page = await read(address);
  } catch (error) {
    return `${name}: ${(error as Error).message}`;
  }
  const expected = `pod=${name} node=${pod.spec?.nodeName ?? ''} ip=${address} `;
  return page.startsWith(expected) ? undefined : `${name} answers "${page.trim()}" instead of "${expected}…"`;
}

/** Resolves when exactly `count` pods are ready and answer with their own pages; `which` selects the pods. */
export async function whenAllAnswer(
  api: RestApi,
  count: number,
  clock: Clock,
  timeoutMs: number,
  which: (pod: Pod) => boolean = () => true,
): Promise<Pod[]> {
  let trouble = '';
  try {
    return await waitFor(
      `${count} pods answer`,
      timeoutMs,
      clock,
      async () => {
        const pods = (await webPods(api)).filter((pod) => pod.metadata.deletionTimestamp === undefined && which(pod));
        const ready = pods.filter(isPodReady);
        if (pods.length !== count || ready.length !== count) {
          trouble = `${ready.length} of ${pods.length} pods are ready\n${pods.map(describe).join('\n')}`;
          return undefined;
        }
        const faults = (await Promise.all(pods.map((pod) => faultOf(pod)))).filter((fault) => fault !== undefined);
        trouble = faults.join('\n');
        return faults.length === 0 ? pods : undefined;
      },
      50,
    );
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${trouble}`, { cause: error });
  }
}

/** `node-1 2, node-2 2, node-3 2` */
export function spreadOf(pods: readonly Pod[]): string {
  return [...countByNode(pods)]
    .sort()
    .map(([node, count]) => `${node}: ${count}`)
    .join(', ');
}

export function countByNode(pods: readonly Pod[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const pod of pods) {
    const node = pod.spec?.nodeName ?? '(none)';
    counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  return counts;
}

function describe(pod: Pod): string {
  const waiting = pod.status?.containerStatuses?.map(
    ({ name, state }) => `${name} ${state?.waiting?.reason ?? (state?.running ? 'running' : 'ended')}`,
  );
  return `${pod.metadata.name} on ${pod.spec?.nodeName ?? '(none)'}: ${pod.status?.phase ?? 'no status'} ${waiting?.join(', ') ?? ''}`;
}
