import { describe, expect, it } from 'vitest';
import type { PodSecurityContext, SecurityContext } from '../../../shared/generated/types.ts';
import { container, makePod } from '../../../test/support/hollow-agent.ts';
import { checkNonRoot, imageDependency, runAs } from './run-as.ts';

const accounts = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/:/bin/sh\n\n# a comment\nnobody:x:65534:65534:::\n',
  group: 'root:x:0:\napp:x:1001:\nmedia:x:4000:nobody,app\nother:x:5000:app2\n',
};
const of = (whole: PodSecurityContext, own: SecurityContext = {}) =>
  [makePod('web', { securityContext: whole }), container('app', { securityContext: own })] as const;

describe('a container that must not run as root', () => {
  const check = (imageUser: string, whole: PodSecurityContext = {}, own: SecurityContext = {}) =>
    checkNonRoot(...of({ runAsNonRoot: true, ...whole }, own), imageUser);
  const who = '(pod: "web_default(uid-web)", container: app)';

  it.each(['', '0', '00', '+0', '0:1000', ':1000'])('is refused when its image runs as root: %j', (user) => {
    expect(() => check(user)).toThrow(`container has runAsNonRoot and image will run as root ${who}`);
  });

  it.each(['app', 'root', 'app:1000', '1000x'])('is refused when its image names a user: %j', (user) => {
    const name = user.split(':')[0];
    const fault = `image has non-numeric user (${name}), cannot verify user is non-root`;
    expect(() => check(user)).toThrow(`container has runAsNonRoot and ${fault} ${who}`);
  });

  it('is allowed with the number of another user', () => {
    check('1000');
    check('1000:0');
    check('', { runAsUser: 1000 });
    check('app', {}, { runAsUser: 1000 });
    check('', {}, { runAsNonRoot: false });
    check('', { runAsNonRoot: undefined });
    check('', { runAsUser: 0, runAsNonRoot: false });
  });

  it('is refused with runAsUser 0, whatever the image says', () => {
    expect(() => check('1000', { runAsUser: 0 })).toThrow(`container's runAsUser breaks non-root policy ${who}`);
    expect(() => check('1000', { runAsUser: 5 }, { runAsUser: 0 })).toThrow('breaks non-root policy');
  });
});

describe('who a container runs as', () => {
  const as = (whole: PodSecurityContext, imageUser = '', own: SecurityContext = {}) => {
    const [pod, spec] = of(whole, own);
    return runAs(pod, spec, imageUser, imageDependency(pod, spec) === 'accounts' ? accounts : undefined);
  };

  it('is left to the image, or to the engine for a user alone, which knows its groups', () => {
    expect(as({}, 'app')).toEqual({ supplementalGroups: [] });
    expect(as({ runAsUser: 7, fsGroup: 9, supplementalGroups: [8, 9] })).toEqual({
      user: '7',
      supplementalGroups: [8, 9],
    });
  });

  it('is the number of the spec, whatever account of the image has that number for its name', () => {
    const [pod, spec] = of({ runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000 });
    const trap = { passwd: '1000:x:0:0::/:/bin/sh\n', group: '1000:x:0:\n5:x:0:\n' };
    expect(runAs(pod, spec, '', trap).user).toBe('1000:1000');
    const [strict, same] = of({ runAsNonRoot: true, supplementalGroupsPolicy: 'Strict' });
    expect(runAs(strict, same, '1000:5', trap).user).toBe('1000:5');
  });

  it('is never root because an account of the image has no number', () => {
    const [pod, spec] = of({ runAsGroup: 1000 });
    const broken = { passwd: 'app:x:zero:0::/:/bin/sh\n', group: 'app:x:zero:\n' };
    expect(() => runAs(pod, spec, 'app', broken)).toThrow(
      'unable to find user app: no matching entries in passwd file',
    );
    const [strict, same] = of({ supplementalGroupsPolicy: 'Strict' });
    expect(() => runAs(strict, same, '7:app', broken)).toThrow('unable to find group app');
  });

  it('stays the image’s user when only a group is given', () => {
    expect(as({ runAsGroup: 3000 }, 'app').user).toBe('1000:3000');
    expect(as({ runAsGroup: 3000 }, '1234:5').user).toBe('1234:3000');
    expect(as({ runAsGroup: 3000 }).user).toBe('0:3000');
    expect(as({}, '', { runAsGroup: 3000 }).user).toBe('0:3000');
  });

  it('has the groups of the image’s group file beside those that are given, unless the policy is Strict', () => {
    const groups = { runAsGroup: 3000, fsGroup: 9 };
    expect(as(groups, 'app').supplementalGroups).toEqual([4000, 9]);
    expect(as({ ...groups, runAsUser: 1000 }).supplementalGroups).toEqual([4000, 9]);
    expect(as({ ...groups, runAsUser: 2000 }).supplementalGroups).toEqual([9]);
    expect(as({ ...groups, supplementalGroupsPolicy: 'Strict' }, 'app')).toEqual({
      user: '1000:3000',
      supplementalGroups: [9],
    });
    expect(as({ supplementalGroupsPolicy: 'Strict' }, 'app')).toEqual({ user: '1000:1001', supplementalGroups: [] });
    expect(as({ supplementalGroupsPolicy: 'Strict' }, 'app:media').user).toBe('1000:4000');
  });

  it('is what the container says before what its pod says', () => {
    expect(as({ runAsUser: 1, runAsGroup: 2, fsGroup: 3 }, '', { runAsUser: 4 })).toEqual({
      user: '4:2',
      supplementalGroups: [3],
    });
    expect(as({ runAsUser: 1, runAsGroup: 2 }, '', { runAsGroup: 0, runAsUser: 0 }).user).toBe('0:0');
    expect(as({ runAsUser: 1 }, '', { runAsUser: 0 }).user).toBe('0');
  });

  it('has each group once, however many say it', () => {
    const groups = { runAsGroup: 1, supplementalGroups: [8, 4000], fsGroup: 8 };
    expect(as(groups, 'app').supplementalGroups).toEqual([4000, 8]);
    expect(as({ supplementalGroups: [8, 9], fsGroup: 0 }).supplementalGroups).toEqual([8, 9, 0]);
  });

  it('is found in the image’s account files by name or number, past entries that are none', () => {
    const [pod, spec] = of({ supplementalGroupsPolicy: 'Strict' });
    const odd = {
      passwd: 'short\nodd:x:1:x::/:\neven:x:x:1::/:\n  app:x:7:8::/:/bin/sh  \r\nlate:x:7:9::/:\n',
      group: 'short\nweb:x:x:\n\n#web:x:3:\nweb:x:5:app\nweb:x:6:\n',
    };
    const found = (imageUser: string) => runAs(pod, spec, imageUser, odd).user;
    expect(found('app')).toBe('7:8');
    expect(found('7')).toBe('7:8');
    expect(found('+07')).toBe('7:8');
    expect(found('9')).toBe('9:0');
    expect(found('app:web')).toBe('7:5');
    expect(found('app:77')).toBe('7:77');
    expect(found('app:')).toBe('7:8');
    expect(found(':web')).toBe('0:5');
    expect(() => found('odd')).toThrow('unable to find user odd');
    expect(() => found('short')).toThrow('unable to find user short');
    expect(() => found('even')).toThrow('unable to find user even');
    expect(() => found('x7')).toThrow('unable to find user x7');
    expect(() => found('7x')).toThrow('unable to find user 7x');
    expect(() => found('app:#web')).toThrow('unable to find group #web');
  });

  it('has the image’s group only beside the image’s user', () => {
    expect(as({ supplementalGroupsPolicy: 'Strict' }, 'app:4000').user).toBe('1000:4000');
    expect(as({ supplementalGroupsPolicy: 'Strict', runAsUser: 1000 }, 'app:4000').user).toBe('1000:1001');
  });

  it('is a member of the groups whose entry names the account, also as the second', () => {
    const [pod, spec] = of({ runAsGroup: 1 });
    const files = { passwd: 'app:x:7:8::/:\n', group: 'a:x:1:app\nb:x:2:x,app\nc:x:z:app\nd:x:4\ne:x:5:app2,xapp\n' };
    expect(runAs(pod, spec, 'app', files).supplementalGroups).toEqual([1, 2]);
  });

  it('is refused for a user or group that the image does not know', () => {
    expect(() => as({ runAsGroup: 1 }, 'ghost')).toThrow('unable to find user ghost: no matching entries');
    expect(() => as({ supplementalGroupsPolicy: 'Strict' }, 'app:ghosts')).toThrow('unable to find group ghosts');
  });

  it('asks the image only for what it has to', () => {
    const needed = (whole: PodSecurityContext) => imageDependency(...of(whole));
    expect(needed({ runAsUser: 1 })).toBe('nothing');
    expect(needed({ runAsNonRoot: true, runAsUser: 1 })).toBe('nothing');
    expect(needed({ runAsNonRoot: true })).toBe('user');
    expect(needed({ runAsGroup: 1 })).toBe('accounts');
    expect(needed({ supplementalGroupsPolicy: 'Strict' })).toBe('accounts');
  });
});
