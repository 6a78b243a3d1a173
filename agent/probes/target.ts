import type { HTTPGetAction, Pod } from '../../shared/generated/types.ts';
import { allContainers } from '../../shared/pod.ts';

export interface HttpTarget {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers: ReadonlyArray<{ readonly name: string; readonly value: string }>;
}

/** The target of an httpGet action. `address`: the pod's. Throws for a port name that no container has. */
export function httpTarget(pod: Pod, container: string, action: HTTPGetAction, address: string): HttpTarget {
  return {
    scheme: action.scheme?.toUpperCase() === 'HTTPS' ? 'https' : 'http',
    host: action.host || address,
    port: portNumber(pod, container, action.port),
    path: action.path?.startsWith('/') ? action.path : `/${action.path ?? ''}`,
    headers: (action.httpHeaders ?? []).map(({ name, value }) => ({ name: name ?? '', value: value ?? '' })),
  };
}

/** A port by number, or by its name in the container or else in another container of the pod. Throws when there is none. */
export function portNumber(pod: Pod, container: string, port: number | string): number {
  const number = Number(port);
  if (Number.isInteger(number) && number > 0) return number;
  const all = allContainers(pod.spec);
  const ports = all
    .filter(({ name }) => name === container)
    .concat(all)
    .flatMap((each) => each.ports ?? []);
  const found = ports.find(({ name }) => name === port);
  if (!found) throw new Error(`couldn't find port: ${port}`);
  return found.containerPort;
}
