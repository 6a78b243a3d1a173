import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PodSecurityContext, SecurityContext } from '../../../shared/generated/types.ts';
import { container, makePod } from '../../../test/support/hollow-agent.ts';
import { seccompProfiles } from '../../host/seccomp-profiles.ts';
import { appArmorProfiles, confinementOf } from './confinement.ts';

const profile = '{"defaultAction":"SCMP_ACT_ALLOW"}';
const all = { seccomp: true, appArmor: true, seLinux: true };
const bare = { seccomp: false, appArmor: false, seLinux: false };

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-seccomp-'));
  await mkdir(join(dir, 'profiles', 'deep'), { recursive: true });
  await writeFile(join(dir, 'profiles', 'deep', 'own.json'), profile);
  await writeFile(join(dir, 'profiles', 'broken.json'), '{"defaultAction"');
  await writeFile(join(dir, 'secret.json'), profile);
  await symlink(join(dir, 'secret.json'), join(dir, 'profiles', 'link.json'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const of = (own: SecurityContext, whole: PodSecurityContext = {}, security = all) => {
  const confiners = { security: () => security, seccompProfile: seccompProfiles(join(dir, 'profiles')) };
  return confinementOf(
    makePod('web', { securityContext: whole }),
    container('app', { securityContext: own }),
    confiners,
  );
};
const local = (localhostProfile: string) => ({ seccompProfile: { type: 'Localhost' as const, localhostProfile } });

describe('a container is confined', () => {
  it('as it asks for, or its pod does, and else as the engine does by itself', async () => {
    expect(await of({}, {}, bare)).toEqual({});
    const off = { seccompProfile: { type: 'Unconfined' as const }, appArmorProfile: { type: 'Unconfined' as const } };
    const standard = { seccompProfile: { type: 'RuntimeDefault' as const } };
    expect(await of({}, off)).toEqual({ seccomp: 'unconfined', appArmor: 'unconfined' });
    expect(await of(standard, off)).toEqual({ appArmor: 'unconfined' });
    expect(await of(off, {}, bare)).toEqual({ seccomp: 'unconfined' });
    const armor = { appArmorProfile: { type: 'Localhost' as const, localhostProfile: 'k8s-web' } };
    expect(await of(armor)).toEqual({ appArmor: 'k8s-web' });
    expect(await of({ seLinuxOptions: { type: 't', level: 's0' } })).toEqual({ seLinux: ['type:t', 'level:s0'] });
  });

  it('by a profile of the node, which has to be there and to be one', async () => {
    expect(await of(local('deep/own.json'))).toEqual({ seccomp: profile });
    expect(await of({ ...local('deep/own.json'), privileged: true })).toEqual({});
    const path = (name: string) => JSON.stringify(join(dir, 'profiles', name));
    await expect(of(local('none.json'))).rejects.toThrow(
      `cannot load seccomp profile ${path('none.json')}: no such file`,
    );
    await expect(of(local('broken.json'))).rejects.toThrow('it is not a seccomp profile');
    await expect(of(local('link.json'))).rejects.toThrow('no such file');
    for (const name of ['../secret.json', '/etc/passwd', 'deep/../../secret.json', '']) {
      await expect(of(local(name))).rejects.toThrow('cannot load seccomp profile');
    }
  });

  it('by a profile of AppArmor, not by the name that takes it off', async () => {
    const armor = (localhostProfile: string) => of({ appArmorProfile: { type: 'Localhost', localhostProfile } });
    await expect(armor('unconfined')).rejects.toThrow('appArmorProfile: "unconfined" is no profile of the node');
    await expect(armor('')).rejects.toMatchObject({ name: 'ConfigError' });
    const annotated = makePod('web', {});
    annotated.metadata.annotations = { 'container.apparmor.security.beta.kubernetes.io/app': 'localhost/unconfined' };
    const node = { security: () => all, seccompProfile: async () => profile };
    await expect(confinementOf(annotated, container('app', {}), node)).rejects.toThrow('is no profile of the node');
  });

  it.each([
    ['seccompProfile', { seccompProfile: { type: 'RuntimeDefault' as const } }],
    ['AppArmor', { appArmorProfile: { type: 'RuntimeDefault' as const } }],
    ['seLinuxOptions', { seLinuxOptions: { level: 's0' } }],
    ['windowsOptions', { windowsOptions: { runAsUserName: 'a' } }],
    ['procMount', { procMount: 'Unmasked' as const }],
  ])('by nothing that the node lacks: %s is refused by name', async (name, own) => {
    await expect(of(own, {}, bare)).rejects.toThrow(name);
    await expect(of(own, {}, bare)).rejects.toMatchObject({ name: 'ConfigError' });
  });
});

describe('the confinement of a container', () => {
  const node = { security: () => all, seccompProfile: async () => profile };

  it('is its own before its pod’s', async () => {
    const unconfined = { type: 'Unconfined' as const };
    const standard = { type: 'RuntimeDefault' as const };
    const whole = { seccompProfile: unconfined, appArmorProfile: unconfined, seLinuxOptions: { type: 'pod' } };
    expect(
      await of({ seccompProfile: standard, appArmorProfile: standard, seLinuxOptions: { type: 'own' } }, whole),
    ).toEqual({
      seLinux: ['type:own'],
    });
    expect(await of({}, whole)).toEqual({ seccomp: 'unconfined', appArmor: 'unconfined', seLinux: ['type:pod'] });
    await expect(of({}, { windowsOptions: { runAsUserName: 'a' } })).rejects.toThrow(
      'windowsOptions: this node runs Linux',
    );
  });

  it('takes off nothing that the engine does not do', async () => {
    const off = { seccompProfile: { type: 'Unconfined' as const }, appArmorProfile: { type: 'Unconfined' as const } };
    expect(await of(off, {}, bare)).toEqual({ seccomp: 'unconfined' });
    const standard = { seccompProfile: { type: 'RuntimeDefault' as const }, procMount: 'Default' as const };
    expect(await of(standard)).toEqual({});
    expect(await of({ seLinuxOptions: { user: 'u', role: 'r', type: 't', level: 'l' } })).toEqual({
      seLinux: ['user:u', 'role:r', 'type:t', 'level:l'],
    });
    expect(await of({ seLinuxOptions: {} }, {}, bare)).toEqual({});
  });

  it('waits until it is known what the engine can do', async () => {
    const unknown = confinementOf(makePod('web'), container('app'), { ...node, security: () => undefined });
    await expect(unknown).rejects.toThrow('is not known yet');
    await expect(unknown).rejects.not.toMatchObject({ name: 'ConfigError' });
  });

  it('by AppArmor is what the field says, or else the annotation for just this container', async () => {
    const annotation = 'container.apparmor.security.beta.kubernetes.io/app';
    const annotated = (value: string, securityContext = {}) =>
      confinementOf(
        makePod('web', {}, { annotations: { [annotation]: value } }),
        container('app', { securityContext }),
        node,
      );
    expect(await annotated('localhost/k8s-web')).toEqual({ appArmor: 'k8s-web' });
    expect(await annotated('unconfined')).toEqual({ appArmor: 'unconfined' });
    expect(await annotated('runtime/default')).toEqual({});
    expect(await annotated('')).toEqual({});
    const standard = makePod('web', {}, { annotations: { [annotation]: 'runtime/default' } });
    const without = confinementOf(standard, container('app'), { ...node, security: () => bare });
    await expect(without).rejects.toThrow('AppArmor is not enabled on the host');
    const field = { appArmorProfile: { type: 'Localhost', localhostProfile: 'own' } };
    expect(await annotated('unconfined', field)).toEqual({ appArmor: 'own' });
    const other = makePod('web', {}, { annotations: { [`${annotation}2`]: 'unconfined' } });
    expect(await confinementOf(other, container('app'), node)).toEqual({});
  });

  it('by AppArmor names all containers that ask for a profile', () => {
    const appArmorProfile = { type: 'RuntimeDefault' as const };
    const asks = (name: string) => container(name, { securityContext: { appArmorProfile } });
    expect(appArmorProfiles(makePod('web'))).toEqual([]);
    const some = makePod('web', { initContainers: [asks('init')], containers: [container('app'), asks('side')] });
    expect(appArmorProfiles(some)).toEqual([appArmorProfile, appArmorProfile]);
  });
});
