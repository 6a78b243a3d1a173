import type { Container, Pod } from '../../../shared/generated/types.ts';
import type { AccountFiles } from '../../runtime/runtime.ts';
import { ConfigError } from '../inputs.ts';

/** The user and groups of a container's process. */
export interface RunAs {
  /** `UID`, `UID:GID`; absent: as the image says. */
  readonly user?: string;
  /** In addition to those of the image's group file, which apply when `user` has no group. */
  readonly supplementalGroups: readonly number[];
}

/** What the user of the container depends on: nothing of the image, its user, or its account files as well. */
export function imageDependency(pod: Pod, container: Container): 'nothing' | 'user' | 'accounts' {
  const { runAsUser, runAsGroup, runAsNonRoot, policy } = securityOf(pod, container);
  if (runAsGroup !== undefined || policy === 'Strict') return 'accounts';
  return runAsNonRoot && runAsUser === undefined ? 'user' : 'nothing';
}

/**
 * Throws ConfigError, in the kubelet's words, when the container must not run as root and would, or could. `imageUser`: the user of the
 * image, `USER[:GROUP]`, empty for root.
 */
export function checkNonRoot(pod: Pod, container: Container, imageUser: string): void {
  const { runAsUser, runAsNonRoot } = securityOf(pod, container);
  if (!runAsNonRoot) return;
  const { name, namespace = '', uid } = pod.metadata;
  const who = `(pod: "${name}_${namespace}(${uid})", container: ${container.name})`;
  if (runAsUser === 0) throw new ConfigError(`container's runAsUser breaks non-root policy ${who}`);
  if (runAsUser !== undefined) return;
  const [user = ''] = imageUser.split(':');
  const number = idOf(user);
  if (user === '' || number === 0) {
    throw new ConfigError(`container has runAsNonRoot and image will run as root ${who}`);
  }
  if (number === undefined) {
    const fault = `image has non-numeric user (${user}), cannot verify user is non-root`;
    throw new ConfigError(`container has runAsNonRoot and ${fault} ${who}`);
  }
}

/**
 * The user and groups of the container. The engine adds the user's groups of the image's group file unless it is given a group; then they
 * are added here from `accounts`, except with the policy Strict. Throws ConfigError for a name that the image does not have.
 */
export function runAs(pod: Pod, container: Container, imageUser: string, accounts: AccountFiles | undefined): RunAs {
  const { runAsUser, runAsGroup, policy, groups } = securityOf(pod, container);
  if (!accounts) {
    return { ...(runAsUser === undefined ? {} : { user: String(runAsUser) }), supplementalGroups: groups };
  }
  const [imageName = '', imageGroup] = imageUser.split(':');
  const user = runAsUser === undefined ? imageName || '0' : String(runAsUser);
  const account = accountOf(user, accounts.passwd);
  const uid = idOf(user) ?? account?.uid;
  if (uid === undefined) throw new ConfigError(`unable to find user ${user}: no matching entries in passwd file`);
  const named = runAsUser === undefined && imageGroup ? groupIdOf(imageGroup, accounts.group) : undefined;
  const gid = runAsGroup ?? named ?? account?.gid ?? 0;
  const ofImage = policy === 'Strict' || !account ? [] : groupsWith(account.name, accounts.group);
  return { user: `${uid}:${gid}`, supplementalGroups: [...new Set([...ofImage, ...groups])] };
}

function securityOf(pod: Pod, { securityContext: ofContainer = {} }: Container) {
  const ofPod = pod.spec.securityContext ?? {};
  const groups = [...(ofPod.supplementalGroups ?? []), ...(ofPod.fsGroup === undefined ? [] : [ofPod.fsGroup])];
  return {
    runAsUser: ofContainer.runAsUser ?? ofPod.runAsUser,
    runAsGroup: ofContainer.runAsGroup ?? ofPod.runAsGroup,
    runAsNonRoot: ofContainer.runAsNonRoot ?? ofPod.runAsNonRoot,
    policy: ofPod.supplementalGroupsPolicy ?? 'Merge',
    groups: [...new Set(groups)],
  };
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * An entry of passwd(5), by its name or uid. A number is never taken as a name, to which an image could give another uid. Entries whose ids
 * are not numbers are skipped.
 */
function accountOf(user: string, passwd: string): Account | undefined {
  const number = idOf(user);
  for (const [name = '', , uidText = '', gidText = ''] of entries(passwd)) {
    const [uid, gid] = [idOf(uidText), idOf(gidText)];
    if (uid === undefined || gid === undefined) continue;
    if (number === undefined ? name === user : uid === number) return { name, uid, gid };
  }
  return undefined;
}

function groupIdOf(group: string, file: string): number {
  const number = idOf(group);
  if (number !== undefined) return number;
  for (const [name, , gidText = ''] of entries(file)) {
    const gid = idOf(gidText);
    if (name === group && gid !== undefined) return gid;
  }
  throw new ConfigError(`unable to find group ${group}: no matching entries in group file`);
}

/** The groups of group(5) that have the user as a member. */
function groupsWith(user: string, file: string): number[] {
  return entries(file).flatMap(([, , gid = '', members = '']) => {
    const number = idOf(gid);
    return number !== undefined && members.split(',').includes(user) ? [number] : [];
  });
}

function entries(file: string): string[][] {
  return file
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trim().split(':'));
}

/** Parses a number as the engine does, with a sign and leading zeros. */
function idOf(text: string): number | undefined {
  return /^[+-]?\d+$/.test(text) ? Number(text) : undefined;
}
