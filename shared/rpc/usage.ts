import type { UsageReport } from '../session.ts';
import type { WireMetricsReport, WireUsage } from './messages.ts';

/** Converts a node's usage report to the wire and back. */

export function usageToWire({ at, node, pods }: UsageReport): WireMetricsReport {
  return {
    at_ms: at,
    node: { cpu_nanocores: node.cpuNanoCores, memory_bytes: node.memoryBytes, window_ms: node.windowMs },
    pods: pods.map(({ uid, windowMs, containers }) => ({
      uid,
      window_ms: windowMs,
      containers: containers.map(({ name, cpuNanoCores, memoryBytes }) => ({
        name,
        cpu_nanocores: cpuNanoCores,
        memory_bytes: memoryBytes,
      })),
    })),
  };
}

export function usageFromWire({ at_ms = 0, node, pods = [] }: WireMetricsReport): UsageReport {
  return {
    at: at_ms,
    node: { ...usageOf(node), windowMs: node?.window_ms ?? 0 },
    pods: pods.map(({ uid = '', window_ms = 0, containers = [] }) => ({
      uid,
      windowMs: window_ms,
      containers: containers.map((container) => ({ name: container.name ?? '', ...usageOf(container) })),
    })),
  };
}

function usageOf({ cpu_nanocores = 0, memory_bytes = 0 }: WireUsage = {}) {
  return { cpuNanoCores: cpu_nanocores, memoryBytes: memory_bytes };
}
