import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../shared/generated/types.ts';
import { isPodTerminal } from '../../shared/pod.ts';
import { podReferences } from '../../shared/pod-references.ts';
import { nodeOfLocalVolume } from '../../shared/storage/node-volumes.ts';
import type { Cluster } from '../cluster.ts';
import { renderTable } from '../render/table.ts';

const headers = ['CLAIM', 'STATUS', 'VOLUME', 'SIZE', 'NODE', 'LOCATION', 'USED BY'];

/** Prints the claims, and with `allNamespaces` also the volumes without one. */
export async function listVolumes(
  { client, namespace, io }: Cluster,
  { allNamespaces }: { readonly allNamespaces: boolean },
): Promise<void> {
  const place = allNamespaces ? {} : { namespace };
  const [claims, volumes, pods] = await Promise.all([
    client.list('PersistentVolumeClaim', place),
    client.list('PersistentVolume', {}),
    client.list('Pod', place),
  ]);
  const rows = volumeRows(claims.items, volumes.items, pods.items, allNamespaces);
  if (rows.length === 0)
    io.err(allNamespaces ? 'No resources found\n' : `No resources found in ${namespace} namespace.\n`);
  else io.out(renderTable(allNamespaces ? ['NAMESPACE', ...headers] : headers, rows));
}

/** A row for each claim, then, with `allNamespaces`, for each volume whose claim is gone or that has none. */
export function volumeRows(
  claims: readonly PersistentVolumeClaim[],
  volumes: readonly PersistentVolume[],
  pods: readonly Pod[],
  allNamespaces: boolean,
): string[][] {
  const byName = new Map(volumes.map((volume) => [volume.metadata.name, volume]));
  const where = (namespace = ''): string[] => (allNamespaces ? [namespace] : []);
  const rows = claims.map((claim) => {
    const { metadata, spec, status } = claim;
    const volume = byName.get(spec.volumeName ?? '');
    const size = volume?.spec.capacity?.storage ?? spec.resources?.requests?.storage ?? '';
    const phase = metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? 'Pending');
    const users = pods.filter((pod) => !isPodTerminal(pod) && uses(pod, claim)).map((pod) => pod.metadata.name);
    const used = users.join(',') || '<none>';
    return [
      ...where(metadata.namespace),
      metadata.name,
      phase,
      spec.volumeName || '<none>',
      size,
      ...placeOf(volume),
      used,
    ];
  });
  const claimed = new Set(claims.map((claim) => claim.metadata.uid));
  const left = allNamespaces ? volumes.filter(({ spec }) => !claimed.has(spec.claimRef?.uid ?? '')) : [];
  for (const volume of left) {
    const { metadata, spec, status } = volume;
    const phase = metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? '');
    const size = spec.capacity?.storage ?? '';
    rows.push([...where('<none>'), '<none>', phase, metadata.name, size, ...placeOf(volume), '<none>']);
  }
  return rows;
}

/** The node and the location of a volume. */
function placeOf(volume: PersistentVolume | undefined): [node: string, location: string] {
  if (!volume) return ['<none>', '<none>'];
  const { local, hostPath, nfs } = volume.spec;
  if (nfs) return ['<any>', `${nfs.server}:${nfs.path}`];
  return [nodeOfLocalVolume(volume) ?? '<any>', local?.path ?? hostPath?.path ?? '<unknown>'];
}

function uses(pod: Pod, claim: PersistentVolumeClaim): boolean {
  return pod.metadata.namespace === claim.metadata.namespace && podReferences(pod).claims.has(claim.metadata.name);
}
