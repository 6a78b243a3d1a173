import { changeOf, type Oracle, walk } from '../history.ts';

/** "A Pod is only scheduled once in its lifetime" (Pod Lifecycle, "Pod lifetime"). */
export const boundOnce: Oracle = (history) => {
  const broken: string[] = [];
  const nodes = new Map<string, string>();
  for (const { step } of walk(history)) {
    for (const change of step.changes) {
      const pod = changeOf(change, 'Pod')?.after;
      if (!pod) continue;
      const { uid } = pod.metadata;
      const before = nodes.get(uid);
      const { nodeName } = pod.spec;
      if (before !== undefined && before !== nodeName) {
        broken.push(`pod ${change.key} was bound to ${before}, and at ${step.revision} to ${nodeName ?? 'no node'}`);
      }
      if (nodeName) nodes.set(uid, nodeName);
    }
  }
  return broken;
};
