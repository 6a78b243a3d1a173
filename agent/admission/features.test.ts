import { describe, expect, it } from 'vitest';
import type { PodSpec } from '../../shared/generated/types.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { type NodeFeatures, unsupported } from './features.ts';

const none = { seccomp: true, appArmor: false, seLinux: false };
const node: NodeFeatures = { kernelVersion: '6.1.0', security: none, allowedUnsafeSysctls: ['net.core.somaxconn'] };
const of = (spec: Partial<PodSpec>, features = node, annotations: Record<string, string> = {}) =>
  unsupported(makePod('web', spec, { annotations }), features);

describe('a node refuses a pod', () => {
  it('that is of another system', () => {
    expect(of({ os: { name: 'linux' } })).toBeUndefined();
    expect(of({ os: { name: 'windows' } })).toEqual({
      reason: 'PodOSNotSupported',
      message: "Failed to admit pod as the OS field doesn't match node OS",
    });
  });

  it('that sets a sysctl which the node does not allow', () => {
    const sysctls = (...names: string[]) => ({
      securityContext: { sysctls: names.map((name) => ({ name, value: '1' })) },
    });
    expect(of(sysctls('net.core.somaxconn', 'net.ipv4.tcp_syncookies'))).toBeUndefined();
    expect(of(sysctls('net.core.somaxconn', 'kernel.msgmax'))).toEqual({
      reason: 'SysctlForbidden',
      message: 'forbidden sysctl: "kernel.msgmax" not allowlisted',
    });
  });

  it('that asks for AppArmor where there is none', () => {
    const refusal = {
      reason: 'AppArmor',
      message: 'Cannot enforce AppArmor: AppArmor is not enabled on the host',
    };
    const profile = { appArmorProfile: { type: 'RuntimeDefault' as const } };
    const off = { appArmorProfile: { type: 'Unconfined' as const } };
    expect(of({ securityContext: profile })).toEqual(refusal);
    expect(of({ initContainers: [container('init', { securityContext: profile })] })).toEqual(refusal);
    expect(of({ securityContext: off })).toBeUndefined();
    expect(of({ securityContext: profile }, { ...node, security: { ...none, appArmor: true } })).toBeUndefined();
    const annotation = 'container.apparmor.security.beta.kubernetes.io/app';
    expect(of({}, node, { [annotation]: 'localhost/x' })).toEqual(refusal);
    expect(of({}, node, { [annotation]: 'unconfined' })).toBeUndefined();
  });

  it('for none of what it names without asking for it', () => {
    const nothing = { hostUsers: true, runtimeClassName: '', resourceClaims: [], resources: {} };
    expect(of(nothing)).toBeUndefined();
    expect(of({ resources: { limits: {}, requests: {} }, securityContext: { sysctls: [] } })).toBeUndefined();
  });

  it('for one sysctl among others, also where the node shares its network with the pod', () => {
    const sysctls = [
      { name: 'kernel.shm_rmid_forced', value: '1' },
      { name: 'net.core.somaxconn', value: '1' },
    ];
    expect(of({ securityContext: { sysctls } })).toBeUndefined();
    expect(of({ securityContext: { sysctls }, hostNetwork: true })?.message).toContain('not allowed with host net');
    expect(of({ securityContext: { sysctls }, hostIPC: true })?.message).toContain('not allowed with host ipc');
  });

  it('for the first thing that it lacks', () => {
    const profile = { appArmorProfile: { type: 'RuntimeDefault' as const } };
    const sysctls = [{ name: 'kernel.msgmax', value: '1' }];
    const all = { os: { name: 'windows' as const }, securityContext: { ...profile, sysctls }, hostUsers: false };
    expect(of(all)?.reason).toBe('PodOSNotSupported');
    expect(of({ ...all, os: { name: 'linux' } })?.reason).toBe('SysctlForbidden');
    expect(of({ hostUsers: false, securityContext: profile })?.reason).toBe('AppArmor');
  });

  it.each([
    ['PodFeatureUnsupported', 'hostUsers', { hostUsers: false }],
    ['PodFeatureUnsupported', 'runtimeClassName', { runtimeClassName: 'gvisor' }],
    ['PodFeatureUnsupported', 'resourceClaims', { resourceClaims: [{ name: 'gpu' }] }],
    ['PodLevelResourcesNotSupported', 'resources', { resources: { requests: { cpu: '1' } } }],
    ['PodLevelResourcesNotSupported', 'resources', { resources: { limits: { memory: '1Gi' } } }],
  ])('by %s that has %s', (reason, field, spec) => {
    expect(of(spec)).toEqual({ reason, message: expect.stringMatching(new RegExp(`^${field}: `)) });
  });
});
