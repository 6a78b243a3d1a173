import type { Container, Pod } from '../../../shared/generated/types.ts';
import type { AccountFiles } from '../../runtime/runtime.ts';
import { ConfigError } from '../inputs.ts';

/** Who a container's process is. */
export interface RunAs {
  /** `UID`, `UID:GID`; absent: as the image says. */
  readonly user?: string;
  /** Besides those that the image's group file gives when `user` names no group. */
  readonly supplementalGroups: readonly number[];
}

/** What is to be known of the image before the container can be made: which user it names, or its account files as well. */
export function neededOfImage(pod: Pod, container: Container): 'nothing' | 'user' | 'accounts' {
  const { runAsUser, runAsGroup, runAsNonRoot, policy } = wantedOf(pod, container);
  if (runAsGroup !== undefined || policy === 'Strict') return 'accounts';
  return runAsNonRoot && runAsUser === undefined ? 'user' : 'nothing';
}

/**
 * Throws ConfigError, in the kubelet's words, when the container must not run as root and would, or may. `imageUser`: what the
 * image says, `USER[:GROUP]`, empty for root.
 */
export function checkNonRoot(pod: Pod, container: Container, imageUser: string): void {
  const { runAsUser, runAsNonRoot } = wantedOf(pod, container);
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
 * Who the container runs as. The engine finds the groups of a user in the image's group file, but not when it is told a group:
 * then they are read from `accounts`, and kept unless the policy is Strict. Throws ConfigError for a name that the image does not know.
 */
export function runAs(pod: Pod, container: Container, imageUser: string, accounts: AccountFiles | undefined): RunAs {
  const { runAsUser, runAsGroup, policy, groups } = wantedOf(pod, container);
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

function wantedOf(pod: Pod, { securityContext: own = {} }: Container) {
  const whole = pod.spec.securityContext ?? {};
  const groups = [...(whole.supplementalGroups ?? []), ...(whole.fsGroup === undefined ? [] : [whole.fsGroup])];
  return {
    runAsUser: own.runAsUser ?? whole.runAsUser,
    runAsGroup: own.runAsGroup ?? whole.runAsGroup,
    runAsNonRoot: own.runAsNonRoot ?? whole.runAsNonRoot,
    policy: whole.supplementalGroupsPolicy ?? 'Merge',
    groups: [...new Set(groups)],
  };
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * An entry of passwd(5), by its name or number. A number is never the name of an account: an image could give it another uid. An entry
 * whose ids are no numbers is passed over.
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

/** The groups of group(5) that name the user as a member. */
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

/** A number as the engine reads one, sign and leading zeros included. */
function idOf(text: string): number | undefined {
  return /^[+-]?\d+$/.test(text) ? Number(text) : undefined;
}
