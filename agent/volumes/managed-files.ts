import { constants } from 'node:fs';
import { chmod, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container, Pod } from '../../shared/generated/types.ts';
import { type Dns, formatResolvConf } from '../dns/pod-dns.ts';
import { readBounded } from '../host/read-bounded.ts';
import type { Mount } from '../runtime/runtime.ts';
import { hostsFile } from './hosts-file.ts';
import { ifMissing } from './missing.ts';
import { pathPart } from './path-part.ts';

/** The most that is read of a termination message, as in the kubelet. */
const maxMessageBytes = 4_096;
const defaultMessagePath = '/dev/termination-log';

/** What the managed files of a pod depend on. */
export interface ManagedPod {
  readonly pod: Pod;
  readonly podIP: string;
  readonly dns: Dns;
}

/** The hosts and resolver files and the termination message in the pod's directory `dir`, as mounts of a container. */
export async function managedFiles(
  dir: string,
  { pod, podIP, dns }: ManagedPod,
  container: Container,
  attempt: number,
): Promise<Mount[]> {
  const messages = join(dir, 'containers', pathPart(container.name));
  await mkdir(messages, { recursive: true, mode: 0o750 });
  const message = join(messages, String(attempt));
  await writeFile(message, '');
  await chmod(message, 0o666);
  for (const name of await readdir(messages)) {
    if (Number(name) < attempt - 1) await rm(join(messages, name));
  }
  const hosts = join(dir, 'hosts');
  await writeIfDifferent(hosts, await hostsFile(pod, podIP));
  const resolver = join(dir, 'resolv.conf');
  await writeIfDifferent(resolver, formatResolvConf(dns));
  return [
    { source: message, target: container.terminationMessagePath || defaultMessagePath, readOnly: false },
    { source: hosts, target: '/etc/hosts', readOnly: false },
    { source: resolver, target: '/etc/resolv.conf', readOnly: false },
  ];
}

/** The end of what a container wrote to its terminationMessagePath; undefined when it is empty. `dir`: the pod's directory. */
export async function terminationMessage(dir: string, container: string, attempt: number): Promise<string | undefined> {
  const path = join(dir, 'containers', pathPart(container), String(attempt));
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch(ifMissing(undefined));
  if (!file) return undefined;
  try {
    const status = await file.stat();
    if (!status.isFile()) return undefined;
    const length = Math.min(status.size, maxMessageBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, status.size - length);
    return buffer.subarray(0, bytesRead).toString('utf8') || undefined;
  } finally {
    await file.close();
  }
}

/** Writes in place, as containers have the file itself mounted; they may have written any amount into it. */
async function writeIfDifferent(path: string, text: string): Promise<void> {
  if ((await readBounded(path, Buffer.byteLength(text))) === text) return;
  await writeFile(path, text);
  await chmod(path, 0o644);
}
