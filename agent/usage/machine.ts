import { readFile } from 'node:fs/promises';
import type { MachineUsage } from './report.ts';

/** `/proc/stat` counts processor time in hundredths of a second (USER_HZ). */
const tickNanoseconds = 1e7;

/** The usage of the whole machine, from `/proc`. */
export async function machineUsage(): Promise<MachineUsage> {
  const [stat, meminfo] = await Promise.all([readFile('/proc/stat', 'utf8'), readFile('/proc/meminfo', 'utf8')]);
  return { cpuNanoseconds: busyTime(stat), workingSetBytes: workingSet(meminfo) };
}

/** `cpu USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL GUEST …`: USER includes GUEST. */
export function busyTime(stat: string): number {
  const fields = /^cpu +(.*)$/m.exec(stat)?.[1]?.trim().split(/\s+/).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
  return (user + nice + system + irq + softirq + steal) * tickNanoseconds;
}

/** The memory in use without inactive file pages. */
export function workingSet(meminfo: string): number {
  const of = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1] ?? 0);
  return Math.max(0, of('MemTotal') - of('MemFree') - of('Inactive\\(file\\)')) * 1024;
}
