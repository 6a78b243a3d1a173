import type { Kind } from '../../../shared/generated/types.ts';
import type { FairGate, Seat } from '../chain/fairness/gate.ts';
import { flag } from './request-info/parameters.ts';
import { isLongRunning, type Route } from './request-info/route.ts';
import type { RestContext } from './rest-context.ts';

/** A request that was let in. */
export interface Admitted {
  /** Gives back what it holds. */
  end(): void;
}

/** What tells how the server is must be told most of all when it is flooded. */
const exempt: ReadonlySet<string | undefined> = new Set(['healthz', 'livez', 'readyz', 'metrics', 'version']);

/**
 * Lets a request in by the gate: at once where there is room. What lasts waits for its turn as all do, but holds no seat after it: it costs as much as
 * its client takes. How many of these a user may have is bounded instead.
 */
export function admitRequest(
  gate: FairGate,
  context: RestContext,
  method: string,
  route: Route,
): Admitted | Promise<Admitted> | undefined {
  if (route.type === 'path' && exempt.has(route.parts[0])) return undefined;
  const entered = gate.enter(context.identity, widthOf(gate, method, route), () => context.signal);
  const long = route.type === 'resource' && isLongRunning(route.resource, route.query);
  const admit = (seat: Seat): Admitted => {
    if (!long) return { end: () => gate.leave(seat) };
    gate.leave(seat);
    const stream = gate.openStream(context.identity);
    return { end: () => stream.close() };
  };
  return entered instanceof Promise ? entered.then(admit) : admit(entered);
}

/** Only what reads a collection is wide: a list, and a deletion of all. A create costs the same however many there are. */
function widthOf(gate: FairGate, method: string, route: Route): number {
  if (route.type === 'path' || route.resource.name !== undefined || flag(route.query, 'watch')) return 1;
  if (method !== 'GET' && method !== 'DELETE') return 1;
  const { def, namespace } = route.resource;
  const limit = Number(route.query.get('limit') ?? 0);
  return gate.listWidth(def.stored.kind as Kind, namespace, limit > 0 ? limit : undefined);
}
