import { describe, expect, it } from 'vitest';
import { faults } from '../../../test/support/kind-rules.ts';

const container = { name: 'app', image: 'app:1' };
const pod = (spec: object, own: object = {}) =>
  faults('Pod', { spec: { containers: [{ ...container, ...own }], ...spec } });

describe('a pod’s rights', () => {
  it('name kernel settings, each once', () => {
    const sysctls = [{ name: 'net.core.somaxconn' }, { name: 'net/core/somaxconn' }, { name: 'Kernel..x' }];
    expect(pod({ securityContext: { sysctls } })).toEqual([
      'spec.securityContext.sysctls[1].name: Duplicate value: "net/core/somaxconn"',
      expect.stringMatching(
        /^spec\.securityContext\.sysctls\[2\]\.name: Invalid value: "Kernel\.\.x": must have at most 253/,
      ),
    ]);
  });

  it('name a profile of the node exactly when they are to come from the node', () => {
    const path = 'spec.securityContext.seccompProfile.localhostProfile';
    const seccomp = (seccompProfile: object) => pod({ securityContext: { seccompProfile } });
    expect(seccomp({ type: 'Localhost', localhostProfile: 'a.json' })).toEqual([]);
    expect(seccomp({ type: 'Localhost' })).toEqual([
      `${path}: Required value: must be set when seccomp type is Localhost`,
    ]);
    expect(seccomp({ type: 'RuntimeDefault', localhostProfile: 'a' })).toEqual([
      `${path}: Invalid value: "a": can only be set when seccomp type is Localhost`,
    ]);
    const armor = { appArmorProfile: { type: 'Localhost' } };
    expect(pod({}, { securityContext: armor })).toEqual([
      'spec.containers[0].securityContext.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost',
    ]);
  });

  it('are not of another system than the pod’s own', () => {
    const windows = { os: { name: 'windows' } };
    const fault = 'Forbidden: cannot be set for a windows pod';
    const context = { runAsUser: 1, seccompProfile: { type: 'RuntimeDefault' }, sysctls: [], runAsNonRoot: true };
    expect(pod({ ...windows, hostPID: true, hostNetwork: false, securityContext: context })).toEqual([
      `spec.hostPID: ${fault}`,
      `spec.securityContext.seccompProfile: ${fault}`,
      `spec.securityContext.runAsUser: ${fault}`,
    ]);
    const own = { privileged: true, allowPrivilegeEscalation: true, capabilities: { add: ['SYS_ADMIN'] } };
    const ownFaults = ['capabilities', 'privileged', 'allowPrivilegeEscalation'].map(
      (name) => `spec.containers[0].securityContext.${name}: ${fault}`,
    );
    expect(pod(windows, { securityContext: own })).toEqual(ownFaults);
    expect(pod({ ...windows, securityContext: { windowsOptions: { hostProcess: false } } })).toEqual([]);
    expect(pod({ os: { name: 'linux' } }, { securityContext: { windowsOptions: {} } })).toEqual([
      'spec.containers[0].securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod',
    ]);
  });

  it('have no user namespace, nor what needs one', () => {
    expect(pod({ hostUsers: true })).toEqual([]);
    expect(pod({ hostUsers: false })).toEqual([
      'spec.hostUsers: Forbidden: may not be false: nodes have no user namespaces for pods',
    ]);
    expect(pod({}, { securityContext: { procMount: 'Default' } })).toEqual([]);
    expect(pod({}, { securityContext: { procMount: 'Unmasked' } })).toEqual([
      'spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`',
    ]);
  });

  it('set nothing in a namespace of the host', () => {
    const sysctls = [
      { name: 'net/ipv4/tcp_syncookies', value: '1' },
      { name: 'kernel.shm_rmid_forced', value: '1' },
    ];
    const securityContext = { sysctls };
    expect(pod({ hostNetwork: true, securityContext })).toEqual([
      'spec.securityContext.sysctls[0].name: Invalid value: "net/ipv4/tcp_syncookies": may not be specified when \'hostNetwork\' is true',
    ]);
    expect(pod({ hostIPC: true, securityContext })).toEqual([
      'spec.securityContext.sysctls[1].name: Invalid value: "kernel.shm_rmid_forced": may not be specified when \'hostIPC\' is true',
    ]);
  });

  it('give groups that there can be', () => {
    expect(pod({ securityContext: { supplementalGroups: [0, -1] } })).toEqual([
      'spec.securityContext.supplementalGroups[1]: Invalid value: -1: must be between 0 and 2147483647, inclusive',
    ]);
  });
});

describe('a container', () => {
  it('has as devices only volumes that are claimed', () => {
    const volumes = [
      { name: 'disk', persistentVolumeClaim: { claimName: 'a' } },
      { name: 'dir', emptyDir: {} },
    ];
    const volumeDevices = [
      { name: 'disk', devicePath: '/dev/x' },
      { name: 'dir', devicePath: '/dev/x' },
      { name: 'none', devicePath: '/dev/y' },
    ];
    expect(pod({ volumes }, { volumeDevices })).toEqual([
      'spec.containers[0].volumeDevices[1].name: Invalid value: "dir": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
      'spec.containers[0].volumeDevices[1].devicePath: Invalid value: "/dev/x": must be unique',
      'spec.containers[0].volumeDevices[2].name: Not found: "none"',
    ]);
  });

  it('sleeps before its end no longer than it has', () => {
    const sleep = (seconds: number) => pod({}, { lifecycle: { preStop: { sleep: { seconds } } } });
    expect(sleep(30)).toEqual([]);
    expect(sleep(31)).toEqual([
      'spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be greater than 0 and less than terminationGracePeriodSeconds (30)',
    ]);
    expect(sleep(0)).toHaveLength(1);
  });
});
