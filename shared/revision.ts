/** The annotation that numbers the rollouts of a Deployment, on it and on its ReplicaSets: an int64. */
export const revisionAnnotation = 'deployment.kubernetes.io/revision';

const highest = 2n ** 63n - 1n;

/** An annotation's revision; 0 for none and for an invalid int64, as in Kubernetes. */
export function parseRevision(text: string | undefined): bigint {
  if (text === undefined || !/^[+-]?\d{1,19}$/.test(text)) return 0n;
  const revision = BigInt(text.replace('+', ''));
  return revision <= highest && revision >= -highest ? revision : 0n;
}

/** The revision after the highest of these, at most the largest int64. */
export function nextRevision(revisions: readonly bigint[]): bigint {
  let last = 0n;
  for (const one of revisions) if (one > last) last = one;
  return last < highest ? last + 1n : highest;
}
