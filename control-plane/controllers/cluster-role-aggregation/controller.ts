import { isDeepStrictEqual } from 'node:util';
import type { Change } from '../../../shared/informer.ts';
import { aggregatedRules } from '../../../shared/rbac/role-aggregation.ts';
import type { Controller, ControllerDeps } from '../controller.ts';

/** Writes the rules of aggregated ClusterRoles. */
export function createClusterRoleAggregation(deps: Pick<ControllerDeps, 'client' | 'informers'>): Controller {
  const { client, informers } = deps;
  const roles = informers.of('ClusterRole');

  /** Any role may match any aggregation rule; aggregated roles are few. */
  function* keysOf(_change: Change): Generator<string> {
    for (const { metadata, aggregationRule } of roles.values()) if (aggregationRule) yield metadata.name;
  }

  async function reconcile(name: string): Promise<undefined> {
    const role = roles.get(name);
    if (!role?.aggregationRule || role.metadata.deletionTimestamp) return;
    const rules = aggregatedRules(role, roles.values());
    if (isDeepStrictEqual(rules, role.rules ?? [])) return;
    await client.update('ClusterRole', { ...role, rules }, { fieldManager: 'clusterrole-aggregation-controller' });
  }

  return { name: 'clusterrole-aggregation', kinds: ['ClusterRole'], workers: 1, keysOf, reconcile };
}
