import { expect, it } from 'vitest';
import { builtinKinds } from '../../../shared/kinds/index.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { anonymous } from '../auth/authentication.ts';
import { FairGate } from '../chain/fairness/gate.ts';
import { routeOf } from './request-info/route.ts';
import { seatsOf } from './work-estimate.ts';

const pods = '/api/v1/namespaces/default/pods';

/** How many requests of one user are let in at once where there are 10,000 pods. */
function atOnce(method: string, url: string): number {
  const gate = new FairGate({ clock: new VirtualClock(), sizeOf: () => 10_000 });
  const seats = seatsOf(gate, method, routeOf(url, method, builtinKinds));
  let count = 0;
  while (!(gate.enter(anonymous, seats, () => new AbortController().signal) instanceof Promise)) count++;
  return count;
}

it('gives several seats to requests that read a collection, by its size, and to no others', () => {
  const narrow = atOnce('GET', `${pods}/one`);
  expect(narrow).toBeGreaterThan(1);
  for (const [method, url] of [
    ['POST', pods],
    ['PATCH', `${pods}/one`],
    ['DELETE', `${pods}/one`],
  ] as const) {
    expect(atOnce(method, url), method).toBe(narrow);
  }
  expect(atOnce('GET', pods)).toBeLessThan(narrow);
  expect(atOnce('DELETE', pods)).toBeLessThan(narrow);
  expect(atOnce('GET', `${pods}?limit=100`)).toBe(narrow);
});
