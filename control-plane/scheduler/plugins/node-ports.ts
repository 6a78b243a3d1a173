import type { HostPort } from '../pod-shape.ts';
import type { Plugin, Rejection } from '../types.ts';

const name = 'NodePorts';
const rejection: Rejection = {
  plugin: name,
  reasons: ["node(s) didn't have free ports for the requested pod ports"],
  resolvable: true,
};

/** A port of the node serves one pod. */
export const nodePorts: Plugin = {
  name,
  scope: 'local',
  prepare({ ports }) {
    if (ports.length === 0) return undefined;
    return {
      filter(node) {
        for (const taken of node.ports.values()) {
          if (ports.some((wanted) => collide(wanted, taken.port))) return rejection;
        }
        return undefined;
      },
    };
  },
};

function collide(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return a.ip === b.ip || isAny(a.ip) || isAny(b.ip);
}

function isAny(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::';
}
