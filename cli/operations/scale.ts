import type { Cluster } from '../cluster.ts';
import { UsageError } from '../io.ts';
import { qualifiedName } from '../render/objects.ts';
import { kindNameOf, parseObjects } from '../resources.ts';

export async function scale(
  { client, namespace, io }: Cluster,
  args: { resources: string[]; replicas: number; currentReplicas?: number },
): Promise<void> {
  const { replicas, currentReplicas } = args;
  if (!Number.isInteger(replicas) || replicas < 0) throw new UsageError('--replicas must be 0 or more');
  for (const { def, name } of parseObjects(args.resources)) {
    if (!def.subresources.includes('scale')) throw new UsageError(`a ${def.kind} cannot be scaled`);
    if (currentReplicas !== undefined) {
      const { spec } = (await client.get(kindNameOf(def), name, namespace)) as { spec?: { replicas?: number } };
      if (spec?.replicas !== currentReplicas) {
        throw new UsageError(`expected ${currentReplicas} replicas of ${name}, there are ${spec?.replicas}`);
      }
    }
    const patch = { type: 'merge', body: { spec: { replicas } } } as const;
    await client.patch(kindNameOf(def), name, patch, { namespace, subresource: 'scale' });
    io.out(`${qualifiedName(def, name)} scaled\n`);
  }
}
