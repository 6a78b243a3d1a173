import { readFile } from 'node:fs/promises';
import type { MachineUsage } from './report.ts';

/** The kernel tells processor time in hundredths of a second, on every architecture that Node runs on. */
const tickNanoseconds = 1e7;

/** What the whole machine uses, from `/proc`. */
export async function machineUsage(): Promise<MachineUsage> {
  const [stat, meminfo] = await Promise.all([readFile('/proc/stat', 'utf8'), readFile('/proc/meminfo', 'utf8')]);
  return { cpuNanoseconds: busyTime(stat), workingSetBytes: workingSet(meminfo) };
}

/** `cpu USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL GUEST …`: guests' time is in the users' already. */
export function busyTime(stat: string): number {
  const fields = /^cpu +(.*)$/m.exec(stat)?.[1]?.trim().split(/\s+/).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
  return (user + nice + system + irq + softirq + steal) * tickNanoseconds;
}

/** What is in use without the file pages that nobody has touched for long. */
export function workingSet(meminfo: string): number {
  const of = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1] ?? 0);
  return Math.max(0, of('MemTotal') - of('MemFree') - of('Inactive\\(file\\)')) * 1024;
}
