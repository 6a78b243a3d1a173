import { expect, it } from 'vitest';
import { Unusable } from '../session/unusable.ts';
import { distinctServers, type Endpoint, parseApiServer } from './api-service.ts';

/** As on a node: addresses that cannot be parsed are skipped. */
function parseApiServers(named: readonly object[]): Endpoint[] {
  const servers = named.flatMap((one) => {
    try {
      return [parseApiServer(one)];
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      return [];
    }
  });
  return distinctServers(servers);
}

it('takes each server once, in order, and leaves out what a pod cannot reach or a rule cannot hold', () => {
  const listed = [
    { name: 'b', address: '192.0.2.2', port: 6443 },
    { name: 'a', address: '192.0.2.1', port: 6443 },
    { name: 'again', address: '192.0.2.1', port: 6443 },
    { name: 'loopback', address: '127.0.0.1', port: 6443 },
    { name: 'command', address: '192.0.2.3 }\nflush ruleset', port: 6443 },
    { name: 'port', address: '192.0.2.4', port: 70_000 },
  ];
  expect(parseApiServers(listed)).toEqual([
    { address: '192.0.2.1', port: 6443 },
    { address: '192.0.2.2', port: 6443 },
  ]);
});
