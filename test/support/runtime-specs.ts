import type { ContainerSpec, SandboxSpec } from '../../agent/runtime/runtime.ts';

/** A sandbox that asks for nothing in particular. */
export const plainSandbox: Omit<SandboxSpec, 'pod' | 'hostname'> = {
  hostNetwork: false,
  hostPID: false,
  hostIPC: false,
  shareProcessNamespace: false,
  hostPorts: [],
  dns: { servers: [], searches: [], options: [] },
  sysctls: {},
  attempt: 0,
};

/** A container that asks for nothing in particular. */
export const plainContainer: Omit<ContainerSpec, 'pod' | 'image'> = {
  name: 'app',
  attempt: 0,
  env: [],
  mounts: [],
  resources: {},
  tty: false,
  stdin: false,
  privileged: false,
  readOnlyRootFilesystem: false,
  capabilities: { add: [], drop: [] },
  noNewPrivileges: false,
  supplementalGroups: [],
  labels: {},
};
