import type {
  Container,
  EnvFromSource,
  EnvVar,
  HTTPGetAction,
  LifecycleHandler,
  PodSpec,
  Probe,
  StatusCause,
  VolumeMount,
} from '../../generated/types.ts';
import { isSidecar } from '../../pod.ts';
import { duplicate, forbidden, invalid, notFound, notSupported, required } from '../../schema/causes.ts';
import { isLocalPath, isPortName, isQualifiedName, rangeFault } from '../../schema/formats.ts';
import { validateResources } from './resource-validation.ts';

/** The rules of a pod's containers, in the words of Kubernetes' core validation. `field`: the path of the pod's spec. */
export function validateContainers(spec: PodSpec, field: string, causes: StatusCause[]): void {
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name));
  const names = new Set<string>();
  const hostPorts = new Set<string>();
  for (const [index, container] of (spec.containers ?? []).entries()) {
    const path = `${field}.containers[${index}]`;
    validateContainer(container, spec, volumes, path, causes);
    validateHostPorts(container, hostPorts, path, causes);
    if (container.restartPolicy) {
      causes.push(forbidden(`${path}.restartPolicy`, 'may not be set for non-init containers'));
    }
    names.add(container.name);
  }
  for (const [index, container] of (spec.initContainers ?? []).entries()) {
    const path = `${field}.initContainers[${index}]`;
    validateContainer(container, spec, volumes, path, causes);
    if (isSidecar(container)) validateHostPorts(container, hostPorts, path, causes);
    else validateRunsToEnd(container, path, causes);
    if (names.has(container.name)) causes.push(duplicate(`${path}.name`, container.name));
  }
}

/** One container by itself; `volumes`: the names of those that the pod has. */
export function validateContainer(
  container: Container,
  spec: PodSpec,
  volumes: ReadonlySet<string>,
  field: string,
  causes: StatusCause[],
): void {
  validateImage(container.image, field, causes);
  validatePorts(container, spec, field, causes);
  for (const [index, variable] of (container.env ?? []).entries()) {
    validateVariable(variable, `${field}.env[${index}]`, causes);
  }
  for (const [index, source] of (container.envFrom ?? []).entries()) {
    validateEnvFrom(source, `${field}.envFrom[${index}]`, causes);
  }
  validateMounts(container, volumes, field, causes);
  validateDevices(container, spec, field, causes);
  if (container.resources) validateResources(container.resources, `${field}.resources`, causes);
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  if (livenessProbe) validateProbe(livenessProbe, `${field}.livenessProbe`, true, causes);
  if (startupProbe) validateProbe(startupProbe, `${field}.startupProbe`, true, causes);
  if (readinessProbe) {
    validateProbe(readinessProbe, `${field}.readinessProbe`, false, causes);
    if (readinessProbe.terminationGracePeriodSeconds !== undefined) {
      const path = `${field}.readinessProbe.terminationGracePeriodSeconds`;
      causes.push(invalid(path, readinessProbe.terminationGracePeriodSeconds, 'must not be set for readinessProbes'));
    }
  }
  if (lifecycle?.postStart) validateHandler(lifecycle.postStart, `${field}.lifecycle.postStart`, causes);
  if (lifecycle?.preStop) validateHandler(lifecycle.preStop, `${field}.lifecycle.preStop`, causes);
  for (const name of ['postStart', 'preStop'] as const) {
    validateSleep(lifecycle?.[name]?.sleep?.seconds, spec, `${field}.lifecycle.${name}.sleep`, causes);
  }
  const security = container.securityContext;
  if (security?.privileged && security.allowPrivilegeEscalation === false) {
    const fault = 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true';
    causes.push(invalid(`${field}.securityContext`, security, fault));
  }
}

export function validateImage(image: string | undefined, field: string, causes: StatusCause[]): void {
  if (!image) causes.push(required(`${field}.image`));
  else if (image.trim() !== image) {
    causes.push(invalid(`${field}.image`, image, 'must not have leading or trailing whitespace'));
  }
}

/** Fields that only containers that keep running may have. */
function validateRunsToEnd(container: Container, field: string, causes: StatusCause[]): void {
  for (const name of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    if (container[name] === undefined) continue;
    causes.push(forbidden(`${field}.${name}`, 'may not be set for init containers without restartPolicy=Always'));
  }
}

function validatePorts(container: Container, spec: PodSpec, field: string, causes: StatusCause[]): void {
  const names = new Set<string>();
  for (const [index, { name, containerPort, hostPort }] of (container.ports ?? []).entries()) {
    const path = `${field}.ports[${index}]`;
    if (name) {
      if (names.has(name)) causes.push(duplicate(`${path}.name`, name));
      names.add(name);
    }
    if (spec.hostNetwork && hostPort && hostPort !== containerPort) {
      causes.push(invalid(`${path}.containerPort`, containerPort, 'must match `hostPort` when `hostNetwork` is true'));
    }
  }
}

/** `taken`: the host ports of the pod's containers so far. */
function validateHostPorts(container: Container, taken: Set<string>, field: string, causes: StatusCause[]): void {
  for (const [index, { protocol = 'TCP', hostIP = '', hostPort }] of (container.ports ?? []).entries()) {
    if (!hostPort) continue;
    const place = `${protocol}/${hostIP}/${hostPort}`;
    if (taken.has(place)) causes.push(duplicate(`${field}.ports[${index}].hostPort`, place));
    taken.add(place);
  }
}

const variableFields: ReadonlySet<string> = new Set([
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]);

function validateVariable({ value, valueFrom }: EnvVar, field: string, causes: StatusCause[]): void {
  if (!valueFrom) return;
  const path = `${field}.valueFrom`;
  const sources = Object.keys(valueFrom).length;
  if (sources === 0) {
    const fault = 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`';
    causes.push(invalid(path, '', fault));
  }
  if (value) causes.push(invalid(path, '', 'may not be specified when `value` is not empty'));
  if (sources > 1) causes.push(invalid(path, '', 'may not have more than one field specified at a time'));
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom;
  if (fieldRef) validateFieldPath(fieldRef.fieldPath, variableFields, `${path}.fieldRef.fieldPath`, causes);
  if (resourceFieldRef) validateResourceName(resourceFieldRef.resource, `${path}.resourceFieldRef.resource`, causes);
  for (const [name, selector] of Object.entries({ configMapKeyRef, secretKeyRef })) {
    if (selector && !selector.name) causes.push(required(`${path}.${name}.name`));
  }
}

/** A field that the downward API can show: one of `plain`, or one label or annotation. */
export function validateFieldPath(
  path: string | undefined,
  plain: ReadonlySet<string>,
  field: string,
  causes: StatusCause[],
): void {
  if (!path || plain.has(path)) return;
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (!subscript) {
    causes.push(notSupported(field, path, [...plain]));
    return;
  }
  const key = subscript[2] ?? '';
  const fault = isQualifiedName(subscript[1] === 'annotations' ? key.toLowerCase() : key);
  if (fault) causes.push(invalid(field, key, fault));
}

export function validateResourceName(resource: string | undefined, field: string, causes: StatusCause[]): void {
  const names = ['cpu', 'ephemeral-storage', 'memory'].flatMap((name) => [`limits.${name}`, `requests.${name}`]);
  if (resource && !names.includes(resource) && !/^(limits|requests)\.hugepages-/.test(resource)) {
    causes.push(notSupported(field, resource, names));
  }
}

function validateEnvFrom({ configMapRef, secretRef }: EnvFromSource, field: string, causes: StatusCause[]): void {
  if (!configMapRef && !secretRef) {
    causes.push(invalid(field, '', 'must specify one of: `configMapRef` or `secretRef`'));
  }
  if (configMapRef && secretRef) {
    causes.push(invalid(field, '', 'may not have more than one field specified at a time'));
  }
  if (configMapRef && !configMapRef.name) causes.push(required(`${field}.configMapRef.name`));
  if (secretRef && !secretRef.name) causes.push(required(`${field}.secretRef.name`));
}

function validateMounts(
  container: Container,
  volumes: ReadonlySet<string>,
  field: string,
  causes: StatusCause[],
): void {
  const paths = new Set<string>();
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const place = `${field}.volumeMounts[${index}]`;
    if (mount.name && !volumes.has(mount.name)) causes.push(notFound(`${place}.name`, mount.name));
    if (mount.mountPath) {
      if (paths.has(mount.mountPath)) causes.push(invalid(`${place}.mountPath`, mount.mountPath, 'must be unique'));
      paths.add(mount.mountPath);
    }
    validateSubPath(mount, place, causes);
    if (mount.mountPropagation === 'Bidirectional' && !container.securityContext?.privileged) {
      const fault = 'Bidirectional mount propagation is available only to privileged containers';
      causes.push(forbidden(`${place}.mountPropagation`, fault));
    }
    if (mount.recursiveReadOnly && mount.recursiveReadOnly !== 'Disabled' && !mount.readOnly) {
      const fault = 'may only be specified when readOnly is true';
      causes.push(forbidden(`${place}.recursiveReadOnly`, fault));
    }
  }
}

/** A block device is a claimed volume, at a path without a mount. */
function validateDevices(container: Container, spec: PodSpec, field: string, causes: StatusCause[]): void {
  const mounted = new Set((container.volumeMounts ?? []).map(({ mountPath }) => mountPath));
  const [names, paths] = [new Set<string>(), new Set<string>()];
  for (const [index, { name, devicePath }] of (container.volumeDevices ?? []).entries()) {
    const place = `${field}.volumeDevices[${index}]`;
    const volume = spec.volumes?.find((one) => one.name === name);
    if (name && names.has(name)) causes.push(invalid(`${place}.name`, name, 'must be unique'));
    if (name && !volume) causes.push(notFound(`${place}.name`, name));
    if (volume && !volume.persistentVolumeClaim && !volume.ephemeral) {
      const fault = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';
      causes.push(invalid(`${place}.name`, name, fault));
    }
    if (devicePath && paths.has(devicePath)) causes.push(invalid(`${place}.devicePath`, devicePath, 'must be unique'));
    if (mounted.has(devicePath)) {
      causes.push(invalid(`${place}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts'));
    }
    names.add(name);
    paths.add(devicePath);
  }
}

/** A sleeping hook must end within the grace period. */
function validateSleep(seconds: number | undefined, spec: PodSpec, field: string, causes: StatusCause[]): void {
  const grace = spec.terminationGracePeriodSeconds;
  if (seconds === undefined || grace === undefined || (seconds > 0 && seconds <= grace)) return;
  const fault = `must be greater than 0 and less than terminationGracePeriodSeconds (${grace})`;
  causes.push(invalid(field, seconds, fault));
}

function validateSubPath({ subPath, subPathExpr }: VolumeMount, field: string, causes: StatusCause[]): void {
  if (subPath && subPathExpr) {
    causes.push(invalid(`${field}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive'));
  }
  for (const [name, path] of Object.entries({ subPath, subPathExpr })) {
    const fault = path ? isLocalPath(path) : undefined;
    if (fault) causes.push(invalid(`${field}.${name}`, path, fault));
  }
}

/** `once`: the success threshold must be 1. */
function validateProbe(probe: Probe, field: string, once: boolean, causes: StatusCause[]): void {
  validateHandler(probe, field, causes);
  if (once && probe.successThreshold !== undefined && probe.successThreshold !== 1) {
    causes.push(invalid(`${field}.successThreshold`, probe.successThreshold, 'must be 1'));
  }
}

function validateHandler(handler: LifecycleHandler & Probe, field: string, causes: StatusCause[]): void {
  const names = (['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const).filter((name) => handler[name]);
  if (names.length === 0) causes.push(required(field, 'must specify a handler type'));
  for (const extra of names.slice(1)) {
    causes.push(forbidden(`${field}.${extra}`, 'may not specify more than 1 handler type'));
  }
  if (handler.exec && !handler.exec.command?.length) causes.push(required(`${field}.exec.command`));
  if (handler.httpGet) validateHttpGet(handler.httpGet, `${field}.httpGet`, causes);
  if (handler.tcpSocket) validatePort(handler.tcpSocket.port, `${field}.tcpSocket.port`, causes);
}

function validateHttpGet({ path, port }: HTTPGetAction, field: string, causes: StatusCause[]): void {
  if (!path) causes.push(required(`${field}.path`));
  validatePort(port, `${field}.port`, causes);
}

/** A number, or the name of one of the container's ports. */
function validatePort(port: number | string | undefined, field: string, causes: StatusCause[]): void {
  if (port === undefined) return;
  const fault =
    typeof port === 'string' ? isPortName(port) : port < 1 || port > 65535 ? rangeFault(1, 65535) : undefined;
  if (fault) causes.push(invalid(field, port, fault));
}
