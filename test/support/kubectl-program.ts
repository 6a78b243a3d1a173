import { spawnSync } from 'node:child_process';

/** The kubectl that the suites drive: `CORACLE_KUBECTL`, else the one on PATH. Expectations are written in the words of 1.32. */
export const kubectlProgram = process.env.CORACLE_KUBECTL || 'kubectl';

/** Whether there is one. Without it suites are skipped, but not in CI. */
export function hasKubectl(): boolean {
  const found = spawnSync(kubectlProgram, ['version', '--client']).status === 0;
  if (!found && process.env.CI) throw new Error('kubectl is not installed: these tests must run in CI');
  return found;
}

/** What kubectl 1.33 to 1.36 print otherwise by themselves, whatever the server: turned into, or left out as in, 1.32. */
const since132: readonly (readonly [RegExp, string])[] = [
  [/ deleted from \S+ namespace/g, ' deleted'],
  [/^(error: container \S+ is not valid for pod \S+) out of: .*$/gm, '$1'],
  [/^Flag --cpu-percent has been deprecated, .*\n/gm, ''],
  [/^(Warning: )?version difference between client .* exceeds the supported minor version skew of .*\n/gim, ''],
  // What it happened to within a pod stands before the message in describe.
  [/( {2,}\S+ {2,})spec\.(?:init|ephemeral)?[cC]ontainers\{[^}]+\}: /g, '$1'],
];

export function inWordsOf132(text: string): string {
  return since132.reduce((said, [newer, older]) => said.replace(newer, older), text);
}

/**
 * On a busy machine kubectl may read before it has made its streams. It then complains of the empty message by which a server of
 * Kubernetes' says that a stream is there, and goes on.
 */
const tooEarly = /^E\d{4} .* websocket\.go:\d+\] Unknown stream id \d, discarding message\n/gm;

/** What it wrote on its standard error, in the words of 1.32. */
export function complaintsOf(err: string): string {
  return inWordsOf132(err).replace(tooEarly, '');
}

/** 32 for 1.32; 0 when there is none. */
export function kubectlMinor(): number {
  const { stdout } = spawnSync(kubectlProgram, ['version', '--client', '-o', 'json'], { encoding: 'utf8' });
  return Number(/"minor": "(\d+)/.exec(stdout ?? '')?.[1] ?? 0);
}
