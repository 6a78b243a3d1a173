import { changeOf, type EngineLook, type Oracle } from '../history.ts';

/**
 * A node runs only pods that were bound to it (Kubernetes Components, "kubelet"), a pod runs on one node, and each of its containers
 * once.
 */
export const enginesRunWhatIsBound: Oracle = (history) => {
  const broken = new Set<string>();
  const bound = new Map<string, { readonly node: string; readonly at: number }>();
  for (const step of history.steps) {
    for (const change of step.changes) {
      const pod = changeOf(change, 'Pod')?.after;
      if (pod?.spec.nodeName && !bound.has(pod.metadata.uid)) {
        bound.set(pod.metadata.uid, { node: pod.spec.nodeName, at: step.at });
      }
    }
  }
  const byTime = new Map<number, EngineLook[]>();
  for (const look of history.looks) byTime.set(look.at, [...(byTime.get(look.at) ?? []), look]);
  for (const [at, looks] of byTime) {
    for (const { node, sandboxes } of looks) {
      for (const uid of sandboxes) {
        const binding = bound.get(uid);
        if (binding?.node !== node || binding.at > at) broken.add(`${node} has pod ${uid}, which is not bound to it`);
      }
    }
    for (const fault of duplicates(looks)) broken.add(fault);
  }
  return [...broken];
};

function duplicates(looks: readonly EngineLook[]): string[] {
  const broken: string[] = [];
  const where = new Map<string, string>();
  for (const { node, running } of looks) {
    const containers = new Set<string>();
    for (const { uid, container } of running) {
      const other = where.get(uid) ?? node;
      if (other !== node) broken.push(`pod ${uid} runs on ${other} and on ${node}`);
      where.set(uid, node);
      if (containers.has(`${uid}/${container}`)) broken.push(`container ${container} of pod ${uid} runs twice`);
      containers.add(`${uid}/${container}`);
    }
  }
  return broken;
}
