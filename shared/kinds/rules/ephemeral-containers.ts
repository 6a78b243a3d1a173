import { isDeepStrictEqual } from 'node:util';
import type { Container, EphemeralContainer, Pod, StatusCause } from '../../generated/types.ts';
import { duplicate, forbidden, notFound } from '../../schema/causes.ts';
import type { PartStrategy } from '../kind.ts';
import { validateContainer } from './container-validation.ts';
import { validateOs } from './os-validation.ts';
import { validateSecurity } from './security-validation.ts';

const field = 'spec.ephemeralContainers';

/** The fields of ephemeral containers (Kubernetes, `allowedEphemeralContainerFields`): none for scheduling, and none for restarts. */
const allowed: ReadonlySet<string> = new Set([
  'name',
  'targetContainerName',
  'image',
  'command',
  'args',
  'workingDir',
  'envFrom',
  'env',
  'volumeMounts',
  'volumeDevices',
  'terminationMessagePath',
  'terminationMessagePolicy',
  'imagePullPolicy',
  'securityContext',
  'stdin',
  'stdinOnce',
  'tty',
]);

/** `pods/ephemeralcontainers` adds containers to a pod; none may change or be removed. */
export const ephemeralContainers: PartStrategy<Pod> = {
  prepare(pod, old) {
    const { ephemeralContainers: wanted } = pod.spec;
    pod.spec = { ...old.spec, ephemeralContainers: wanted };
    if (!wanted?.length) delete pod.spec.ephemeralContainers;
    if (old.status === undefined) delete pod.status;
    else pod.status = old.status;
    pod.metadata = { ...old.metadata, managedFields: pod.metadata.managedFields };
    if (!isDeepStrictEqual(plain(wanted ?? []), plain(old.spec.ephemeralContainers ?? []))) {
      pod.metadata.generation = (old.metadata.generation ?? 0) + 1;
    }
  },
  validate(pod, old, causes) {
    validateEphemeralContainers(pod, causes);
    const now = new Map((pod.spec.ephemeralContainers ?? []).map((container) => [container.name, container]));
    for (const container of old.spec.ephemeralContainers ?? []) {
      const next = now.get(container.name);
      const what = `existing ephemeral containers ${JSON.stringify(container.name)} may not be`;
      if (!next) causes.push(forbidden(field, `${what} removed\n`));
      else if (!isDeepStrictEqual(plain(next), plain(container))) causes.push(forbidden(field, `${what} changed\n`));
    }
  },
};

function validateEphemeralContainers({ spec }: Pod, causes: StatusCause[]): void {
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name));
  const others = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name));
  const names = new Set(others);
  for (const [index, container] of (spec.ephemeralContainers ?? []).entries()) {
    const path = `${field}[${index}]`;
    if (names.has(container.name)) causes.push(duplicate(`${path}.name`, container.name));
    names.add(container.name);
    validateContainer(container as Container, spec, volumes, path, causes);
    const target = container.targetContainerName;
    if (target && !others.has(target)) causes.push(notFound(`${path}.targetContainerName`, target));
    validateFields(container, path, causes);
  }
  const { securityContext: _context, ...rest } = spec;
  const added = { ...rest, containers: [], initContainers: [] };
  validateSecurity(added, 'spec', causes);
  validateOs(added, 'spec', causes);
}

function validateFields(container: EphemeralContainer, path: string, causes: StatusCause[]): void {
  const fault = 'cannot be set for an Ephemeral Container';
  for (const [name, value] of Object.entries(container)) {
    if (allowed.has(name) || isEmpty(value)) continue;
    causes.push(forbidden(`${path}.${name}`, fault));
  }
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    if (mount.subPath) causes.push(forbidden(`${path}.volumeMounts[${index}].subPath`, fault));
    if (mount.subPathExpr) causes.push(forbidden(`${path}.volumeMounts[${index}].subPathExpr`, fault));
  }
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** Without fields that are there but undefined. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
