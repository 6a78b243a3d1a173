import type { Node } from '../../../shared/generated/types.ts';
import { until } from './bench.ts';
import type { LoadClient } from './rest.ts';

const nodesPath = '/api/v1/nodes';
const leasesPath = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
/** What a machine of a rack has; 110 pods are Kubernetes' default. */
const capacity = { cpu: '32', memory: '256Gi', pods: '110' };

/**
 * Nodes that are only objects, ready for good: their leases hang on nothing that could end. So nothing costs but the
 * control plane. Resolves when all are free of taints.
 */
export async function addHollowNodes(client: LoadClient, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => `hollow-${i}`);
  const time = new Date().toISOString();
  // The leases first, or the nodes would be taken for lost.
  const leases = names.map((name) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name },
    spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: time.replace('Z', '000Z') },
  }));
  await client.createAll(leasesPath, leases.map(body));
  const nodes = names.map((name) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' } },
  }));
  await client.createAll(nodesPath, nodes.map(body));
  const lastTransitionTime = `${time.slice(0, 19)}Z`;
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', lastTransitionTime };
  const status = { capacity, allocatable: capacity, conditions: [ready] };
  for (const name of names) await client.call('PATCH', `${nodesPath}/${name}/status`, { status });
  await until(
    'the hollow nodes are free of taints',
    async () => {
      const { items } = await client.call<{ items: Node[] }>('GET', nodesPath);
      return items.length === count && items.every(({ spec }) => !spec?.taints?.length);
    },
    { everyMs: 500 },
  );
}

function body(object: object): Buffer {
  return Buffer.from(JSON.stringify(object));
}
