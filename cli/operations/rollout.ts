import { stringify } from 'yaml';
import { formatTime } from '../../shared/clock.ts';
import type { Deployment, PodTemplateSpec, ReplicaSet } from '../../shared/generated/types.ts';
import { controllerOf } from '../../shared/object.ts';
import { parseRevision, revisionAnnotation } from '../../shared/revision.ts';
import type { Cluster } from '../cluster.ts';
import { parseDuration } from '../duration.ts';
import { UsageError } from '../io.ts';
import { qualifiedName } from '../render/objects.ts';
import { renderTable } from '../render/table.ts';
import { parseObjects } from '../resources.ts';
import { until } from '../wait.ts';
import { rolloutStatusOf } from './rollout-status.ts';

interface Target {
  readonly resources: string[];
}

const causeKey = 'kubernetes.io/change-cause';
const hashLabel = 'pod-template-hash';

export async function rolloutStatus(
  cluster: Cluster,
  args: Target & { watch: boolean; timeout: string },
): Promise<void> {
  const { client, namespace, io } = cluster;
  const timeout = parseDuration(args.timeout);
  for (const { name } of deployments(args)) {
    let printed = '';
    const look = async (): Promise<true | undefined> => {
      const status = rolloutStatusOf(await client.get('Deployment', name, namespace));
      if ('failed' in status) throw new UsageError(status.failed);
      if (status.message !== printed) io.out(`${status.message}\n`);
      printed = status.message;
      return status.done || !args.watch ? true : undefined;
    };
    await until(
      io,
      timeout > 0 ? timeout : Number.POSITIVE_INFINITY,
      look,
      () => `deployment "${name}" to be rolled out`,
    );
  }
}

export async function rolloutHistory(cluster: Cluster, args: Target & { revision?: string }): Promise<void> {
  const { client, namespace, io } = cluster;
  for (const { def, name } of deployments(args)) {
    const deployment = await client.get('Deployment', name, namespace);
    const sets = await revisionsOf(cluster, deployment);
    if (args.revision !== undefined) {
      const { set } = chosen(sets, revisionIn(args.revision), name);
      io.out(`${qualifiedName(def, name)} with revision #${args.revision}\n`);
      io.out(stringify({ template: set.spec.template }, { lineWidth: 0 }));
      continue;
    }
    const rows = sets.map(({ revision, set }) => [String(revision), set.metadata.annotations?.[causeKey] ?? '<none>']);
    io.out(`${qualifiedName(def, name)}\n${renderTable(['REVISION', 'CHANGE-CAUSE'], rows)}`);
  }
}

export async function rolloutUndo(cluster: Cluster, args: Target & { toRevision: string }): Promise<void> {
  const { client, namespace, io } = cluster;
  for (const { def, name } of deployments(args)) {
    const deployment = await client.get('Deployment', name, namespace);
    if (deployment.spec.paused) throw new UsageError(`deployment "${name}" is paused: resume it first`);
    const sets = await revisionsOf(cluster, deployment);
    const current = deployment.metadata.annotations?.[revisionAnnotation]
      ? parseRevision(deployment.metadata.annotations[revisionAnnotation])
      : (sets.at(-1)?.revision ?? 0n);
    const before = sets.filter(({ revision }) => revision < current).at(-1)?.revision;
    const wanted = revisionIn(args.toRevision) || before;
    if (wanted === undefined) throw new UsageError(`no rollout history found for deployment "${name}"`);
    const { set } = chosen(sets, wanted, name);
    const template = withoutHash(set.spec.template);
    if (wanted === current) {
      io.out(`${qualifiedName(def, name)} skipped rollback (current template already matches revision ${wanted})\n`);
      continue;
    }
    await client.patch(
      'Deployment',
      name,
      {
        type: 'json',
        body: [
          // Fails if the template has changed since it was read.
          { op: 'test', path: '/metadata/resourceVersion', value: deployment.metadata.resourceVersion },
          { op: 'replace', path: '/spec/template', value: template },
        ],
      },
      { namespace },
    );
    io.out(`${qualifiedName(def, name)} rolled back\n`);
  }
}

export async function rolloutRestart({ client, namespace, io }: Cluster, args: Target): Promise<void> {
  for (const { def, name } of deployments(args)) {
    const annotations = { 'kubectl.kubernetes.io/restartedAt': formatTime(io.clock.now()) };
    const body = { spec: { template: { metadata: { annotations } } } };
    await client.patch('Deployment', name, { type: 'strategic', body }, { namespace });
    io.out(`${qualifiedName(def, name)} restarted\n`);
  }
}

/** Throws UsageError. */
function revisionIn(text: string): bigint {
  if (!/^\d{1,19}$/.test(text)) throw new UsageError(`a revision is a whole number, not "${text}"`);
  return BigInt(text);
}

function deployments(args: Target) {
  return parseObjects(args.resources).map((found) => {
    if (found.def.kind !== 'Deployment')
      throw new UsageError(`a ${found.def.kind} is not rolled out: name a Deployment`);
    return found;
  });
}

interface Revision {
  readonly revision: bigint;
  readonly set: ReplicaSet;
}

/** The ReplicaSets of the Deployment with their revisions, the newest last. */
async function revisionsOf({ client, namespace }: Cluster, deployment: Deployment): Promise<Revision[]> {
  const { items } = await client.list('ReplicaSet', { namespace });
  return items
    .filter((set) => controllerOf(set)?.uid === deployment.metadata.uid)
    .map((set) => ({ revision: parseRevision(set.metadata.annotations?.[revisionAnnotation]), set }))
    .sort((a, b) => (a.revision < b.revision ? -1 : a.revision > b.revision ? 1 : 0));
}

function chosen(sets: readonly Revision[], wanted: bigint, name: string): Revision {
  const found = sets.find(({ revision }) => revision === wanted);
  if (!found) throw new UsageError(`unable to find specified revision ${wanted} in history of deployment "${name}"`);
  return found;
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  const { [hashLabel]: _hash, ...labels } = template?.metadata?.labels ?? {};
  return template && { ...template, metadata: { ...template.metadata, labels } as PodTemplateSpec['metadata'] };
}
