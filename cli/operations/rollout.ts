import { stringify } from 'yaml';
import { formatTime } from '../../shared/clock.ts';
import type { Cluster } from '../cluster.ts';
import { parseDuration } from '../duration.ts';
import { UsageError } from '../io.ts';
import { qualifiedName } from '../render/objects.ts';
import { renderTable } from '../render/table.ts';
import { parseObjects } from '../resources.ts';
import { until } from '../wait.ts';
import { currentRevision, type Revision, revisionsOf } from './rollout-revisions.ts';
import { type RolledOut, rolloutStatusOf } from './rollout-status.ts';

interface Target {
  readonly resources: string[];
}

const kinds: readonly string[] = ['Deployment', 'DaemonSet', 'StatefulSet'] satisfies RolledOut['kind'][];

export async function rolloutStatus(
  cluster: Cluster,
  args: Target & { watch: boolean; timeout: string },
): Promise<void> {
  const { client, namespace, io } = cluster;
  const timeout = parseDuration(args.timeout);
  for (const { kind, name, singular } of targets(args)) {
    let printed = '';
    const look = async (): Promise<true | undefined> => {
      const status = rolloutStatusOf(await client.get(kind, name, namespace));
      if ('failed' in status) throw new UsageError(status.failed);
      if (status.message !== printed) io.out(`${status.message}\n`);
      printed = status.message;
      return status.done || !args.watch ? true : undefined;
    };
    const limit = timeout > 0 ? timeout : Number.POSITIVE_INFINITY;
    await until(io, limit, look, () => `${singular} "${name}" to be rolled out`);
  }
}

export async function rolloutHistory(cluster: Cluster, args: Target & { revision?: string }): Promise<void> {
  const { client, namespace, io } = cluster;
  for (const { kind, name, shown, singular } of targets(args)) {
    const object = await client.get(kind, name, namespace);
    const revisions = await revisionsOf(cluster, object);
    if (args.revision !== undefined) {
      const { template } = chosen(revisions, revisionIn(args.revision), `${singular} "${name}"`);
      io.out(`${shown} with revision #${args.revision}\n`);
      io.out(stringify({ template }, { lineWidth: 0 }));
      continue;
    }
    const rows = revisions.map(({ revision, cause }) => [String(revision), cause]);
    io.out(`${shown}\n${renderTable(['REVISION', 'CHANGE-CAUSE'], rows)}`);
  }
}

export async function rolloutUndo(cluster: Cluster, args: Target & { toRevision: string }): Promise<void> {
  const { client, namespace, io } = cluster;
  for (const { kind, name, shown, singular } of targets(args)) {
    const object = await client.get(kind, name, namespace);
    if (object.kind === 'Deployment' && object.spec.paused) {
      throw new UsageError(`deployment "${name}" is paused: resume it first`);
    }
    const revisions = await revisionsOf(cluster, object);
    const current = currentRevision(object, revisions);
    const before = revisions.filter(({ revision }) => revision < current).at(-1)?.revision;
    const wanted = revisionIn(args.toRevision) || before;
    if (wanted === undefined) throw new UsageError(`no rollout history found for ${singular} "${name}"`);
    const { template } = chosen(revisions, wanted, `${singular} "${name}"`);
    if (wanted === current) {
      io.out(`${shown} skipped rollback (current template already matches revision ${wanted})\n`);
      continue;
    }
    const body = [
      // Fails if the template has changed since it was read.
      { op: 'test', path: '/metadata/resourceVersion', value: object.metadata.resourceVersion },
      { op: 'replace', path: '/spec/template', value: template },
    ];
    await client.patch(kind, name, { type: 'json', body }, { namespace });
    io.out(`${shown} rolled back\n`);
  }
}

export async function rolloutRestart({ client, namespace, io }: Cluster, args: Target): Promise<void> {
  for (const { kind, name, shown } of targets(args)) {
    const annotations = { 'kubectl.kubernetes.io/restartedAt': formatTime(io.clock.now()) };
    const body = { spec: { template: { metadata: { annotations } } } };
    await client.patch(kind, name, { type: 'strategic', body }, { namespace });
    io.out(`${shown} restarted\n`);
  }
}

/** Throws UsageError. */
function revisionIn(text: string): bigint {
  if (!/^\d{1,19}$/.test(text)) throw new UsageError(`a revision is a whole number, not "${text}"`);
  return BigInt(text);
}

/** What is named, as it is called in messages. Throws UsageError for a kind without rollouts. */
function targets(args: Target) {
  return parseObjects(args.resources).map(({ def, name }) => {
    if (!kinds.includes(def.kind)) {
      throw new UsageError(`a ${def.kind} is not rolled out: name a Deployment, a DaemonSet or a StatefulSet`);
    }
    const kind = def.kind as RolledOut['kind'];
    return { kind, name, shown: qualifiedName(def, name), singular: def.singular };
  });
}

function chosen(revisions: readonly Revision[], wanted: bigint, owner: string): Revision {
  const found = revisions.find(({ revision }) => revision === wanted);
  if (!found) throw new UsageError(`unable to find specified revision ${wanted} in history of ${owner}`);
  return found;
}
