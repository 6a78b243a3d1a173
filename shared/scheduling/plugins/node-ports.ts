import { portsCollide } from '../host-ports.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Plugin, Rejection } from '../plugin.ts';

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
  events: ['NodeChange', 'AssignedPodDelete'],
  prepare({ ports }) {
    if (ports.length === 0) return undefined;
    return {
      filter(node) {
        for (const taken of node.ports.values()) {
          if (ports.some((wanted) => portsCollide(wanted, taken.port))) return rejection;
        }
        return undefined;
      },
      details: (node: NodeInfo) =>
        [...node.ports.values()]
          .filter((taken) => ports.some((wanted) => portsCollide(wanted, taken.port)))
          .map(({ port }) => `port ${port.port}/${port.protocol} is in use`),
    };
  },
};
