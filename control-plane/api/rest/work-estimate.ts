import type { FairGate } from '../chain/fairness/gate.ts';
import { flag } from './request-info/parameters.ts';
import type { Route } from './request-info/route.ts';

/** Paths that show the state of the server, which must be readable under load. */
const exempt: ReadonlySet<string | undefined> = new Set(['healthz', 'livez', 'readyz', 'metrics', 'version']);

/** How many seats a request takes; 0: it is exempt. Only a list and a deletion of a collection take several, by what they read. */
export function seatsOf(gate: Pick<FairGate, 'listWidth'>, method: string, route: Route): number {
  if (route.type === 'path') return exempt.has(route.parts[0]) ? 0 : 1;
  if (route.resource.name !== undefined || (method !== 'GET' && method !== 'DELETE')) return 1;
  if (flag(route.query, 'watch')) return 1;
  const { def, namespace } = route.resource;
  const limit = Number(route.query.get('limit') ?? 0);
  return gate.listWidth(def.id, namespace, limit > 0 ? limit : undefined);
}
