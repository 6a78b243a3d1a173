import type { PersistentVolume, PersistentVolumeClaim } from '../generated/types.ts';
import { compareQuantities } from '../quantity.ts';
import { annotations, classNameOf, isFullyBound, noProvisioner } from '../storage/claims.ts';
import { localProvisioner, localVolumesAnnotation } from '../storage/local.ts';
import { allowsTopology, bestCandidate, candidatesFor, reachableFrom, requestOf } from '../storage/matching.ts';
import type { NodeInfo } from './node-info.ts';
import type { PodShape } from './pod-shape.ts';
import { claimKey, type Volumes } from './volume-index.ts';

/** The claims of a pod. */
export interface PodClaims {
  /** Why no node can take the pod, in Kubernetes' words. */
  readonly obstacle?: string;
  /** The claims that have a volume, with it; undefined: it does not exist. */
  readonly bound: readonly { readonly claim: PersistentVolumeClaim; readonly volume: PersistentVolume | undefined }[];
  /** The claims that get a volume when the pod gets a node; the smallest first. */
  readonly unbound: readonly UnboundClaim[];
}

interface UnboundClaim {
  readonly claim: PersistentVolumeClaim;
  /** The volumes that it may get on nodes that reach them; none once a node is selected for a new volume. */
  readonly candidates: readonly PersistentVolume[];
}

/** What an unbound claim gets on a node: an existing volume, or one that its provisioner makes there. */
export interface ClaimChoice {
  readonly claim: PersistentVolumeClaim;
  readonly volume?: PersistentVolume;
}

const affinityConflict = 'node(s) had volume node affinity conflict';
const nothingToBind = "node(s) didn't find available persistent volumes to bind";
const volumeMissing = 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)';

const none: PodClaims = { bound: [], unbound: [] };

export function claimsOfPod({ namespace, spec }: PodShape, volumes: Volumes): PodClaims {
  const bound: { claim: PersistentVolumeClaim; volume: PersistentVolume | undefined }[] = [];
  const unbound: UnboundClaim[] = [];
  let immediate = false;
  for (const name of spec.claims ?? []) {
    const claim = volumes.claim(claimKey(namespace, name));
    if (!claim) return { ...none, obstacle: `persistentvolumeclaim "${name}" not found` };
    const { volumeName = '' } = claim.spec;
    if (claim.metadata.deletionTimestamp) {
      return { ...none, obstacle: `persistentvolumeclaim "${name}" is being deleted` };
    }
    if (claim.status?.phase === 'Lost') {
      const obstacle = `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${volumeName}"`;
      return { ...none, obstacle };
    }
    if (isFullyBound(claim)) bound.push({ claim, volume: volumes.volume(volumeName) });
    else if (!volumeName && isDelayed(claim, volumes))
      unbound.push({ claim, candidates: candidatesOf(claim, volumes) });
    else immediate = true;
  }
  if (immediate) return { ...none, obstacle: 'pod has unbound immediate PersistentVolumeClaims' };
  return { bound, unbound: unbound.sort((a, b) => compareQuantities(requestOf(a.claim), requestOf(b.claim))) };
}

function candidatesOf(claim: PersistentVolumeClaim, volumes: Volumes): PersistentVolume[] {
  if (claim.metadata.annotations?.[annotations.selectedNode] !== undefined) return [];
  return candidatesFor(claim, volumes.open(classNameOf(claim)));
}

/** What the unbound claims get on the node, or why the node cannot take the pod. */
export function placeClaims(
  { obstacle, bound, unbound }: PodClaims,
  node: NodeInfo,
  volumes: Volumes,
): { readonly obstacles: readonly string[]; readonly choices: readonly ClaimChoice[] } {
  if (obstacle !== undefined) return { obstacles: [obstacle], choices: [] };
  const obstacles = new Set<string>();
  for (const { volume } of bound) {
    if (!volume) obstacles.add(volumeMissing);
    else if (!reachableFrom(volume, node)) obstacles.add(affinityConflict);
  }
  const choices: ClaimChoice[] = [];
  const taken = new Set<string>();
  for (const one of unbound) {
    const choice = chooseFor(one, node, volumes, taken);
    if (!choice) obstacles.add(nothingToBind);
    else choices.push(choice);
    if (choice?.volume) taken.add(choice.volume.metadata.name);
  }
  return { obstacles: [...obstacles], choices };
}

function chooseFor(
  { claim, candidates }: UnboundClaim,
  node: NodeInfo,
  volumes: Volumes,
  taken?: ReadonlySet<string>,
): ClaimChoice | undefined {
  const selected = claim.metadata.annotations?.[annotations.selectedNode];
  if (selected !== undefined && selected !== node.name) return undefined;
  const volume = bestCandidate(claim, candidates, node, taken);
  if (volume) return { claim, volume };
  const storageClass = volumes.storageClass(classNameOf(claim));
  if (!storageClass || storageClass.provisioner === noProvisioner || !allowsTopology(storageClass, node))
    return undefined;
  const local = storageClass.provisioner === localProvisioner;
  if (local && node.node?.metadata.annotations?.[localVolumesAnnotation] === undefined) return undefined;
  return { claim };
}

/** Where the data is that keeps the pod off the node, for people. */
export function claimDetails({ obstacle, bound, unbound }: PodClaims, node: NodeInfo, volumes: Volumes): string[] {
  if (obstacle !== undefined) return [obstacle];
  const details: string[] = [];
  for (const { claim, volume } of bound) {
    const of = `claim ${claim.metadata.name}`;
    if (!volume) details.push(`the volume ${claim.spec.volumeName} of ${of} does not exist`);
    else if (!reachableFrom(volume, node)) details.push(`the data of ${of} is ${placeOf(volume)}`);
  }
  for (const one of unbound) {
    if (chooseFor(one, node, volumes)) continue;
    const { claim } = one;
    const selected = claim.metadata.annotations?.[annotations.selectedNode];
    const { name } = claim.metadata;
    if (selected !== undefined) details.push(`the volume of claim ${name} is being made on node ${selected}`);
    else details.push(`no volume for claim ${name} can be found or made here`);
  }
  return details;
}

function placeOf({ metadata: { name }, spec }: PersistentVolume): string {
  const terms = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  const hosts = terms.flatMap(({ matchExpressions = [] }) =>
    matchExpressions.flatMap(({ key, operator, values = [] }) =>
      key === 'kubernetes.io/hostname' && operator === 'In' ? values : [],
    ),
  );
  return hosts.length > 0 ? `on node ${hosts.join(', ')}` : `on volume ${name}, which this node does not reach`;
}

function isDelayed(claim: PersistentVolumeClaim, volumes: Volumes): boolean {
  return volumes.storageClass(classNameOf(claim))?.volumeBindingMode === 'WaitForFirstConsumer';
}
