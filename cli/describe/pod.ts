import type {
  Container,
  ContainerState,
  ContainerStatus,
  EnvVar,
  Pod,
  Probe,
  Toleration,
  Volume,
} from '../../shared/generated/types.ts';
import { summarizePod } from '../../shared/kinds/columns/pod-columns.ts';
import { pairs } from '../render/objects.ts';
import { type Line, line, map } from './section.ts';

export function podLines(pod: Pod): Array<Line | undefined> {
  const { spec, status } = pod;
  const containers = (list: readonly Container[] = [], statuses: readonly ContainerStatus[] = []): Line[] =>
    list.map((container) =>
      containerLines(
        container,
        statuses.find(({ name }) => name === container.name),
      ),
    );
  return [
    line('Priority', spec.priority ?? 0),
    line('Service Account', spec.serviceAccountName),
    line('Node', spec.nodeName ? `${spec.nodeName}${status?.hostIP ? `/${status.hostIP}` : ''}` : undefined),
    status?.startTime ? line('Start Time', status.startTime) : undefined,
    line('Status', pod.metadata.deletionTimestamp ? 'Terminating' : summarizePod(pod).status),
    status?.reason ? line('Reason', status.reason) : undefined,
    status?.message ? line('Message', status.message) : undefined,
    line('IP', status?.podIP),
    spec.initContainers?.length
      ? { label: 'Init Containers', under: containers(spec.initContainers, status?.initContainerStatuses) }
      : undefined,
    { label: 'Containers', under: containers(spec.containers, status?.containerStatuses) },
    {
      label: 'Conditions',
      table: {
        headers: ['Type', 'Status', 'Reason', 'Message'],
        rows: (status?.conditions ?? []).map((found) => [
          found.type,
          found.status,
          found.reason ?? '',
          found.message ?? '',
        ]),
      },
    },
    { label: 'Volumes', under: (spec.volumes ?? []).map(volumeLine) },
    line('QoS Class', status?.qosClass),
    map('Node-Selectors', spec.nodeSelector),
    { label: 'Tolerations', value: spec.tolerations?.length ? spec.tolerations.map(toleration) : '<none>' },
  ];
}

function containerLines(container: Container, status: ContainerStatus | undefined): Line {
  const { image, command, args, ports, resources, env, envFrom, volumeMounts } = container;
  const variables = [
    ...(envFrom ?? []).map(({ prefix, configMapRef, secretRef }) => {
      const from = configMapRef ? `ConfigMap ${configMapRef.name}` : `Secret ${secretRef?.name}`;
      return `<all of ${from}>${prefix ? ` with prefix ${prefix}` : ''}`;
    }),
    ...(env ?? []).map((variable) => `${variable.name}: ${variableValue(variable)}`),
  ];
  const lastState = status?.lastState && Object.keys(status.lastState).length > 0 ? status.lastState : undefined;
  return {
    label: container.name,
    under: [
      line('Container ID', status?.containerID),
      line('Image', image),
      line('Image ID', status?.imageID),
      line('Ports', (ports ?? []).map((port) => `${port.containerPort}/${port.protocol ?? 'TCP'}`).join(', ')),
      ...(command ? [line('Command', command.join(' '))] : []),
      ...(args ? [line('Args', args.join(' '))] : []),
      ...(status ? stateLines('State', status.state) : []),
      ...(lastState ? stateLines('Last State', lastState) : []),
      line('Ready', status?.ready ? 'True' : 'False'),
      line('Restart Count', status?.restartCount ?? 0),
      ...(resources?.limits ? [map('Limits', resources.limits, ': ')] : []),
      ...(resources?.requests ? [map('Requests', resources.requests, ': ')] : []),
      ...probeLine('Liveness', container.livenessProbe),
      ...probeLine('Readiness', container.readinessProbe),
      ...probeLine('Startup', container.startupProbe),
      { label: 'Environment', value: variables.length > 0 ? variables : '<none>' },
      {
        label: 'Mounts',
        value: volumeMounts?.length
          ? volumeMounts.map((mount) => `${mount.mountPath} from ${mount.name} (${mount.readOnly ? 'ro' : 'rw'})`)
          : '<none>',
      },
    ],
  };
}

function stateLines(label: string, state: ContainerState | undefined): Line[] {
  if (state?.running) return [line(label, `Running since ${state.running.startedAt}`)];
  if (state?.terminated) {
    const { reason, exitCode, message, startedAt, finishedAt, signal } = state.terminated;
    const how = signal ? `signal ${signal}` : `exit code ${exitCode}`;
    const when = startedAt && finishedAt ? `, ${startedAt} to ${finishedAt}` : '';
    return [line(label, `Terminated: ${reason ?? ''} (${how})${when}${message ? `: ${message}` : ''}`)];
  }
  const { reason = '', message = '' } = state?.waiting ?? {};
  return [line(label, `Waiting${reason ? `: ${reason}` : ''}${message ? ` (${message})` : ''}`)];
}

function variableValue({ value, valueFrom }: EnvVar): string {
  if (!valueFrom) return value ?? '';
  const { configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef } = valueFrom;
  if (configMapKeyRef) return `<key ${configMapKeyRef.key} of ConfigMap ${configMapKeyRef.name}>`;
  if (secretKeyRef) return `<key ${secretKeyRef.key} of Secret ${secretKeyRef.name}>`;
  if (fieldRef) return `(${fieldRef.fieldPath})`;
  return `(${resourceFieldRef?.resource ?? ''})`;
}

function probeLine(label: string, probe: Probe | undefined): Line[] {
  if (!probe) return [];
  const { exec, httpGet, tcpSocket, grpc } = probe;
  const how = exec
    ? `exec [${exec.command?.join(' ') ?? ''}]`
    : httpGet
      ? `http-get ${(httpGet.scheme ?? 'http').toLowerCase()}://${httpGet.host ?? ''}:${httpGet.port}${httpGet.path ?? ''}`
      : tcpSocket
        ? `tcp-socket ${tcpSocket.host ?? ''}:${tcpSocket.port}`
        : `grpc :${grpc?.port ?? ''}`;
  const {
    initialDelaySeconds = 0,
    timeoutSeconds = 1,
    periodSeconds = 10,
    successThreshold = 1,
    failureThreshold = 3,
  } = probe;
  const when = `delay=${initialDelaySeconds}s timeout=${timeoutSeconds}s period=${periodSeconds}s`;
  return [line(label, `${how} ${when} #success=${successThreshold} #failure=${failureThreshold}`)];
}

function volumeLine(volume: Volume): Line {
  const { name, ...sources } = volume;
  const [type = '', source = {}] = Object.entries(sources)[0] ?? [];
  const facts = Object.fromEntries(
    Object.entries(source as Record<string, unknown>).filter(([, value]) => typeof value !== 'object'),
  ) as Record<string, string>;
  const detail = pairs(facts);
  return line(name, `${type}${detail ? ` (${detail})` : ''}`);
}

function toleration({ key = '', operator, value, effect, tolerationSeconds }: Toleration): string {
  const what = `${key}${value ? `=${value}` : ''}${effect ? `:${effect}` : ''}`;
  const op = operator === 'Exists' ? ' op=Exists' : '';
  return `${what}${op}${tolerationSeconds === undefined ? '' : ` for ${tolerationSeconds}s`}`.trim();
}
