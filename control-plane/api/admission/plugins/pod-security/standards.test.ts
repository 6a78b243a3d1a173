import { describe, expect, test } from 'vitest';
import type { PodSpec } from '../../../../../shared/generated/types.ts';
import { formatReasons, violationsOf } from './evaluate.ts';
import type { Level } from './policy.ts';

// The fields and their allowed values, written down from Kubernetes' documentation ("Pod Security Standards").

const newest = Number.POSITIVE_INFINITY;
type Place = 'pod' | 'init' | 'app' | 'ephemeral';
const containerPlaces = ['init', 'app', 'ephemeral'] as const;

/** Meets `restricted`. */
const safe = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

/** A pod with a container of each sort, all of them hardened; `more` is merged into one of them, or into the pod's context. */
function pod(place: Place, more: object, rest: object = {}): PodSpec {
  const context = (at: Place) => (at === place ? { ...safe, ...more } : safe);
  return {
    securityContext: place === 'pod' ? more : {},
    initContainers: [{ name: 'init', securityContext: context('init') }],
    containers: [{ name: 'app', securityContext: context('app') }],
    ephemeralContainers: [{ name: 'ephemeral', securityContext: context('ephemeral') }],
    ...rest,
  } as unknown as PodSpec;
}

const reasons = (level: Level, spec: PodSpec, minor = newest, annotations: Record<string, string> = {}) =>
  formatReasons(violationsOf({ level, minor }, { metadata: { annotations }, spec }));
const detail = (level: Level, spec: PodSpec, minor = newest, annotations: Record<string, string> = {}) =>
  violationsOf({ level, minor }, { metadata: { annotations }, spec }).map((one) => one.detail);

interface Field {
  readonly field: string;
  readonly level: 'baseline' | 'restricted';
  readonly reason: string;
  readonly places: readonly Place[];
  readonly allowed: readonly object[];
  readonly refused: readonly object[];
}

const everywhere: readonly Place[] = ['pod', ...containerPlaces];
const fields: readonly Field[] = [
  {
    field: 'privileged',
    level: 'baseline',
    reason: 'privileged',
    places: containerPlaces,
    allowed: [{}, { privileged: false }],
    refused: [{ privileged: true }],
  },
  {
    field: 'capabilities.add',
    level: 'baseline',
    reason: 'non-default capabilities',
    places: containerPlaces,
    allowed: [
      {
        capabilities: {
          add: [
            'AUDIT_WRITE',
            'CHOWN',
            'DAC_OVERRIDE',
            'FOWNER',
            'FSETID',
            'KILL',
            'MKNOD',
            'NET_BIND_SERVICE',
            'SETFCAP',
            'SETGID',
            'SETPCAP',
            'SETUID',
            'SYS_CHROOT',
          ],
        },
      },
      { capabilities: {} },
    ],
    refused: [
      { capabilities: { add: ['CHOWN', 'NET_RAW'] } },
      { capabilities: { add: ['SYS_ADMIN'] } },
      { capabilities: { add: ['ALL'] } },
    ],
  },
  {
    field: 'procMount',
    level: 'baseline',
    reason: 'procMount',
    places: containerPlaces,
    allowed: [{ procMount: 'Default' }, {}],
    refused: [{ procMount: 'Unmasked' }],
  },
  {
    field: 'seLinuxOptions',
    level: 'baseline',
    reason: 'seLinuxOptions',
    places: everywhere,
    allowed: [
      {},
      ...['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'].map((type) => ({
        seLinuxOptions: { type, level: 's0' },
      })),
    ],
    refused: [{ type: 'spc_t' }, { user: 'u' }, { role: 'r' }, { type: 'container_t', user: 'u' }].map(
      (seLinuxOptions) => ({ seLinuxOptions }),
    ),
  },
  {
    field: 'seccompProfile',
    level: 'baseline',
    reason: 'seccompProfile',
    places: everywhere,
    allowed: [{ seccompProfile: { type: 'RuntimeDefault' } }, { seccompProfile: { type: 'Localhost' } }],
    refused: [{ seccompProfile: { type: 'Unconfined' } }],
  },
  {
    field: 'appArmorProfile',
    level: 'baseline',
    reason: 'forbidden AppArmor profile',
    places: everywhere,
    allowed: [{}, { appArmorProfile: { type: 'RuntimeDefault' } }, { appArmorProfile: { type: 'Localhost' } }],
    refused: [{ appArmorProfile: { type: 'Unconfined' } }],
  },
  {
    field: 'windowsOptions.hostProcess',
    level: 'baseline',
    reason: 'hostProcess',
    places: everywhere,
    allowed: [{}, { windowsOptions: {} }, { windowsOptions: { hostProcess: false } }],
    refused: [{ windowsOptions: { hostProcess: true } }],
  },
  {
    field: 'allowPrivilegeEscalation',
    level: 'restricted',
    reason: 'allowPrivilegeEscalation != false',
    places: containerPlaces,
    allowed: [{ allowPrivilegeEscalation: false }],
    refused: [{ allowPrivilegeEscalation: true }, { allowPrivilegeEscalation: undefined }],
  },
  {
    field: 'capabilities',
    level: 'restricted',
    reason: 'unrestricted capabilities',
    places: containerPlaces,
    allowed: [{ drop: ['ALL'] }, { drop: ['CHOWN', 'ALL'], add: ['NET_BIND_SERVICE'] }].map((capabilities) => ({
      capabilities,
    })),
    refused: [
      { capabilities: undefined },
      { capabilities: { drop: ['CHOWN'] } },
      { capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE', 'CHOWN'] } },
    ],
  },
  {
    field: 'runAsNonRoot',
    level: 'restricted',
    reason: 'runAsNonRoot != true',
    places: everywhere,
    allowed: [{ runAsNonRoot: true }],
    refused: [{ runAsNonRoot: false }],
  },
  {
    field: 'runAsUser',
    level: 'restricted',
    reason: 'runAsUser=0',
    places: everywhere,
    allowed: [{}, { runAsUser: 1000 }],
    refused: [{ runAsUser: 0 }],
  },
  {
    field: 'seccompProfile',
    level: 'restricted',
    reason: 'seccompProfile',
    places: everywhere,
    allowed: [{ seccompProfile: { type: 'RuntimeDefault' } }, { seccompProfile: { type: 'Localhost' } }],
    refused: [{ seccompProfile: { type: 'Unconfined' } }],
  },
];

describe.each(fields)('$level: $field', ({ level, reason, places, allowed, refused }) => {
  test.each(places)('of the %s is held to the allowed values', (place) => {
    for (const value of allowed) expect([value, reasons(level, pod(place, value))]).toEqual([value, '']);
    for (const value of refused) expect([value, reasons(level, pod(place, value))]).toEqual([value, reason]);
  });

  test('is reported for every container that sets it', () => {
    for (const place of places) {
      const who = place === 'pod' ? /^pod / : new RegExp(`^(pod or )?container "${place}" `);
      for (const value of refused) expect(detail(level, pod(place, value))[0]).toMatch(who);
    }
  });

  test('is not checked in a privileged namespace', () => {
    for (const value of refused) expect(reasons('privileged', pod('app', value))).toBe('');
  });
});

test('for SELinux options the forbidden fields are named', () => {
  const said = (seLinuxOptions: object) => detail('baseline', pod('app', { seLinuxOptions }))[0]?.split(': ')[1];
  expect(said({ type: 'spc_t' })).toBe('type "spc_t"');
  expect(said({ user: 'u' })).toBe('user may not be set');
  expect(said({ role: 'r' })).toBe('role may not be set');
  expect(said({ type: 'spc_t', user: 'u', role: 'r' })).toBe('type "spc_t"; user may not be set; role may not be set');
});

test('the restricted level includes all baseline rules, each once', () => {
  const spec = pod('app', {
    capabilities: { add: ['SYS_ADMIN'], drop: ['ALL'] },
    seccompProfile: { type: 'Unconfined' },
  });
  expect(reasons('baseline', spec)).toBe('non-default capabilities, seccompProfile');
  expect(reasons('restricted', spec)).toBe('unrestricted capabilities, seccompProfile');
  expect(reasons('restricted', pod('app', { privileged: true, procMount: 'Unmasked' }, { hostPID: true }))).toBe(
    'host namespaces, privileged, procMount',
  );
});

describe('fields that may be set for the whole pod', () => {
  const bare = (context: object, containers: object = {}) =>
    ({
      securityContext: context,
      containers: [{ name: 'app', securityContext: { ...safe, ...containers } }],
    }) as unknown as PodSpec;
  const open = { runAsNonRoot: undefined, seccompProfile: undefined };

  test('apply to containers without their own value, not to those with another', () => {
    const whole = { runAsNonRoot: true, seccompProfile: { type: 'Localhost' } };
    expect(reasons('restricted', bare(whole, open))).toBe('');
    expect(reasons('restricted', bare({}, open))).toBe('runAsNonRoot != true, seccompProfile');
    expect(reasons('restricted', bare({ runAsNonRoot: true }, open))).toBe('seccompProfile');
    expect(reasons('restricted', bare(whole, { ...open, runAsNonRoot: false }))).toBe('runAsNonRoot != true');
    expect(detail('restricted', bare({ runAsNonRoot: false }, { runAsNonRoot: false }))).toEqual([
      'pod and container "app" must not set securityContext.runAsNonRoot=false',
    ]);
  });

  test('is demanded of the container that lacks it, by name', () => {
    const spec = {
      containers: [
        { name: 'app', securityContext: safe },
        { name: 'second', securityContext: { ...safe, ...open } },
        { name: 'third' },
      ],
    } as unknown as PodSpec;
    const who = (what: string) =>
      expect.stringMatching(new RegExp(`^pod or containers "second", "third" must set .*${what}`));
    expect(detail('restricted', spec)).toEqual([
      expect.stringMatching(/^container "third" must set .*allowPrivilegeEscalation/),
      expect.stringMatching(/^container "third" must set .*capabilities/),
      who('runAsNonRoot'),
      who('seccompProfile'),
    ]);
  });
});

describe('volumes', () => {
  const withVolumes = (...volumes: object[]) => pod('app', {}, { volumes });
  const allowed = [
    'configMap',
    'csi',
    'downwardAPI',
    'emptyDir',
    'ephemeral',
    'persistentVolumeClaim',
    'projected',
    'secret',
    'image',
  ];

  test('of every allowed type pass, each other type is named once', () => {
    expect(reasons('restricted', withVolumes(...allowed.map((type) => ({ name: type, [type]: {} }))))).toBe('');
    expect(
      detail('restricted', withVolumes({ name: 'a', nfs: {} }, { name: 'b', emptyDir: {} }, { name: 'c', nfs: {} })),
    ).toEqual(['volumes "a", "c" use restricted volume type "nfs"']);
    expect(detail('restricted', withVolumes({ name: 'a', nfs: {} }, { name: 'c', iscsi: {} }))).toEqual([
      'volumes "a", "c" use restricted volume types "iscsi", "nfs"',
    ]);
    expect(detail('restricted', withVolumes({ name: 'a' }))).toEqual([
      'volume "a" uses restricted volume type "unknown"',
    ]);
    expect(reasons('baseline', withVolumes({ name: 'a', nfs: {} }))).toBe('');
  });

  test('on the host are refused by baseline, and by restricted as one restricted type', () => {
    const volumes = withVolumes({ name: 'a', emptyDir: {} }, { name: 'b', hostPath: { path: '/' } });
    expect(detail('baseline', volumes)).toEqual(['volume "b"']);
    expect(detail('restricted', volumes)).toEqual(['volume "b" uses restricted volume type "hostPath"']);
  });
});

describe('the host', () => {
  test.each(['hostNetwork', 'hostPID', 'hostIPC'])('%s is refused', (name) => {
    expect(detail('baseline', pod('app', {}, { [name]: true }))).toEqual([`${name}=true`]);
    expect(detail('baseline', pod('app', {}, { [name]: false }))).toEqual([]);
  });

  test.each(['initContainers', 'containers', 'ephemeralContainers'])('ports of %s are refused', (list) => {
    const ports = (...hostPorts: number[]) =>
      pod(
        'app',
        {},
        { [list]: [{ name: 'x', securityContext: safe, ports: hostPorts.map((hostPort) => ({ hostPort })) }] },
      );
    expect(detail('baseline', ports(0))).toEqual([]);
    expect(detail('baseline', ports(0, 80))).toEqual(['container "x" uses hostPort 80']);
    expect(detail('baseline', ports(80, 443))).toEqual(['container "x" uses hostPorts 443, 80']);
  });
});

describe('profiles in annotations', () => {
  const appArmor = 'container.apparmor.security.beta.kubernetes.io/app';

  test('of AppArmor are the runtime’s or a local one', () => {
    const of = (value: string, spec = pod('app', {})) =>
      detail('baseline', spec, newest, { [appArmor]: value, other: 'unconfined' });
    for (const value of ['', 'runtime/default', 'localhost/x']) expect(of(value)).toEqual([]);
    expect(of('unconfined')).toEqual([`annotation must not set AppArmor profile type to "${appArmor}="unconfined""`]);
    const both = pod('app', { appArmorProfile: { type: 'Unconfined' } });
    expect(of('unconfined', both)[0]).toMatch(/^container "app" and annotation must not set .* to "Unconfined", /);
    expect(reasons('baseline', both, newest, { [appArmor]: 'unconfined' })).toBe('forbidden AppArmor profiles');
  });

  test('of seccomp count only before there was a field for them', () => {
    const keys = ['seccomp.security.alpha.kubernetes.io/pod'].concat(
      containerPlaces.map((name) => `container.seccomp.security.alpha.kubernetes.io/${name}`),
    );
    for (const key of keys) {
      for (const value of ['runtime/default', 'docker/default', 'localhost/x']) {
        expect(detail('baseline', pod('app', {}), 18, { [key]: value })).toEqual([]);
      }
      expect(detail('baseline', pod('app', {}), 18, { [key]: 'unconfined' })).toEqual([
        `forbidden annotation ${key}="unconfined"`,
      ]);
      expect(detail('baseline', pod('app', {}), 19, { [key]: 'unconfined' })).toEqual([]);
    }
    const foreign = { 'container.seccomp.security.alpha.kubernetes.io/gone': 'unconfined' };
    expect(detail('baseline', pod('app', {}), 18, foreign)).toEqual([]);
    const all = Object.fromEntries(keys.map((key) => [key, 'unconfined']));
    expect(detail('baseline', pod('app', {}), 18, all)[0]).toMatch(/^forbidden annotations container.*, seccomp/);
  });
});

describe('a version of the standards', () => {
  const profile = { seccompProfile: { type: 'Unconfined' } };

  test('applies rules from the minor version that introduced them', () => {
    const asked = (spec: PodSpec, minor: number) => reasons('restricted', spec, minor);
    expect(asked(pod('app', { allowPrivilegeEscalation: true }), 7)).toBe('');
    expect(asked(pod('app', { allowPrivilegeEscalation: true }), 8)).toBe('allowPrivilegeEscalation != false');
    expect(asked(pod('app', { capabilities: {} }), 21)).toBe('');
    expect(asked(pod('app', { capabilities: {} }), 22)).toBe('unrestricted capabilities');
    expect(asked(pod('app', { capabilities: { add: ['SYS_ADMIN'] } }), 21)).toBe('non-default capabilities');
    expect(asked(pod('app', { runAsUser: 0 }), 22)).toBe('');
    expect(asked(pod('app', { runAsUser: 0 }), 23)).toBe('runAsUser=0');
    expect(asked(pod('app', profile), 18)).toBe('');
    expect(asked(pod('app', profile), 19)).toBe('seccompProfile');
    expect(reasons('baseline', pod('app', profile), 19)).toBe('seccompProfile');
    expect(reasons('baseline', pod('app', { privileged: true }), 0)).toBe('privileged');
  });

  test('allows fields only from the minor version that allowed them', () => {
    const engine = pod('app', { seLinuxOptions: { type: 'container_engine_t' } });
    expect([30, 31].map((minor) => reasons('baseline', engine, minor))).toEqual(['seLinuxOptions', '']);
    const sysctls: [string, number][] = [
      ...['kernel.shm_rmid_forced', 'net.ipv4.ip_local_port_range', 'net.ipv4.tcp_syncookies'].map(always),
      ...['net.ipv4.ping_group_range', 'net.ipv4.ip_unprivileged_port_start'].map(always),
      ['net.ipv4.ip_local_reserved_ports', 27],
      ...['time', 'intvl', 'probes'].map((what): [string, number] => [`net.ipv4.tcp_keepalive_${what}`, 29]),
      ['net.ipv4.tcp_fin_timeout', 29],
      ['net.ipv4.tcp_rmem', 32],
      ['net.ipv4.tcp_wmem', 32],
    ];
    for (const [name, since] of sysctls) {
      const spec = pod('pod', { sysctls: [{ name, value: '1' }] });
      expect([name, reasons('baseline', spec, since)]).toEqual([name, '']);
      if (since > 0) expect([name, reasons('baseline', spec, since - 1)]).toEqual([name, 'forbidden sysctls']);
    }
    const two = pod('pod', { sysctls: ['kernel.sem', 'net.ipv4.tcp_wmem', 'x'].map((name) => ({ name, value: '1' })) });
    expect(detail('baseline', two)).toEqual(['kernel.sem, x']);
  });

  test('skips Linux-only rules for Windows pods from 1.25 on', () => {
    const windows = { os: { name: 'windows' } };
    const open = { allowPrivilegeEscalation: undefined, capabilities: undefined, seccompProfile: undefined };
    expect(reasons('restricted', pod('app', open, windows), 25)).toBe('');
    expect(reasons('restricted', pod('app', open, windows), 24)).toBe(
      'allowPrivilegeEscalation != false, unrestricted capabilities, seccompProfile',
    );
    expect(reasons('restricted', pod('app', open, { os: { name: 'linux' } }), 25)).not.toBe('');
    expect(reasons('restricted', pod('app', { runAsNonRoot: undefined }, windows), 25)).toBe('runAsNonRoot != true');
  });
});

function always(name: string): [string, number] {
  return [name, 0];
}
