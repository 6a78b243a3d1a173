import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressClass,
  IngressClassParametersReference,
  IngressRule,
  IngressServiceBackend,
  StatusCause,
  TypedLocalObjectReference,
} from '../../generated/types.ts';
import { forbidden, invalid, required } from '../../schema/causes.ts';
import {
  type Format,
  isDns1035Label,
  isDnsLabel,
  isDnsSubdomain,
  isDomainPrefixedPath,
  isIp,
  isPathSegment,
  isPortName,
  isPortNumber,
  isWildcardDnsSubdomain,
} from '../../schema/formats.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { validateBalancerStatus } from '../rules/addresses.ts';

/** The annotation for the class, older than the field. */
export const classAnnotation = 'kubernetes.io/ingress.class';
/** The annotation of the default class. */
const defaultAnnotation = 'ingressclass.kubernetes.io/is-default-class';
/** The most hosts in a row of kubectl's table. */
const maxHosts = 3;

export function isDefaultIngressClass({ metadata }: IngressClass): boolean {
  return metadata.annotations?.[defaultAnnotation] === 'true';
}

export const ingress: Behaviour<Ingress> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Class', 'The IngressClass.', ({ spec, metadata }) => {
      return spec.ingressClassName ?? metadata.annotations?.[classAnnotation] ?? '<none>';
    }),
    text('Hosts', 'The hosts of the rules.', ({ spec }) => formatHosts(spec.rules ?? [])),
    text('Address', 'The addresses of the load balancer.', ({ status }) => {
      return (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').join(',');
    }),
    text('Ports', 'The ports on which the hosts are served.', ({ spec }) => (spec.tls?.length ? '80, 443' : '80')),
    ageColumn as Column<Ingress>,
  ],
  strategy: {
    prepareCreate(object) {
      object.status = { loadBalancer: {} };
    },
    validate({ spec }, causes) {
      const { defaultBackend, rules = [], tls = [] } = spec;
      if (rules.length === 0 && !defaultBackend) {
        causes.push(invalid('spec', spec.rules ?? null, 'either `defaultBackend` or `rules` must be specified'));
      }
      if (defaultBackend) validateBackend(defaultBackend, 'spec.defaultBackend', causes);
      for (const [index, rule] of rules.entries()) validateRule(rule, `spec.rules[${index}]`, causes);
      for (const [index, { hosts }] of tls.entries()) {
        for (const [at, host] of (hosts ?? []).entries())
          check(hostFormat(host), host, `spec.tls[${index}].hosts[${at}]`, causes);
      }
    },
    parts: {
      status: {
        validate({ status }, _old, causes) {
          validateBalancerStatus(status?.loadBalancer?.ingress ?? [], 'status.loadBalancer', undefined, causes);
        },
      },
    },
    warnings: ingressWarnings,
  },
};

export const ingressClass: Behaviour<IngressClass> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Controller', 'The controller that serves Ingresses of this class.', ({ spec }) => spec.controller),
    text('Parameters', "The object with the controller's parameters.", ({ spec: { parameters } }) => {
      if (!parameters) return '<none>';
      const { apiGroup, kind, name } = parameters;
      return `${apiGroup === undefined ? kind : `${kind}.${apiGroup}`}/${name}`;
    }),
    ageColumn as Column<IngressClass>,
  ],
  strategy: {
    generation: 'spec',
    validate({ spec: { controller, parameters } }, causes) {
      if (controller) check(isDomainPrefixedPath, controller, 'spec.controller', causes);
      if (parameters) validateParameters(parameters, causes);
    },
  },
};

function validateRule({ host, http }: IngressRule, field: string, causes: StatusCause[]): void {
  if (host) {
    check(isNoAddress, host, `${field}.host`, causes);
    check(hostFormat(host), host, `${field}.host`, causes);
  }
  for (const [index, path] of (http?.paths ?? []).entries()) {
    validatePath(path, `${field}.http.paths[${index}]`, causes);
  }
}

const wrongSequences = ['//', '/./', '/../', '%2f', '%2F'];
const wrongEnds = ['/..', '/.'];

function validatePath({ path = '', pathType, backend }: HTTPIngressPath, field: string, causes: StatusCause[]): void {
  if (!pathType) return;
  const strict = pathType === 'Exact' || pathType === 'Prefix';
  if ((strict || path) && !path.startsWith('/')) {
    causes.push(invalid(`${field}.path`, path, 'must be an absolute path'));
  }
  for (const wrong of strict ? wrongSequences : []) {
    if (path.includes(wrong)) causes.push(invalid(`${field}.path`, path, `must not contain '${wrong}'`));
  }
  for (const wrong of strict ? wrongEnds : []) {
    if (path.endsWith(wrong)) causes.push(invalid(`${field}.path`, path, `cannot end with '${wrong}'`));
  }
  if (backend) validateBackend(backend, `${field}.backend`, causes);
}

function validateBackend({ resource, service }: IngressBackend, field: string, causes: StatusCause[]): void {
  if (resource && service) {
    causes.push(invalid(field, '', 'cannot set both resource and service backends'));
  } else if (resource) {
    validateReference(resource, `${field}.resource`, causes);
  } else if (service) {
    validateService(service, field, causes);
  } else {
    causes.push(invalid(field, '', 'resource or service backend is required'));
  }
}

function validateService({ name, port = {} }: IngressServiceBackend, field: string, causes: StatusCause[]): void {
  if (name) check(isDns1035Label, name, `${field}.service.name`, causes);
  if (port.name && port.number) {
    causes.push(invalid(field, '', 'cannot set both port name & port number'));
  } else if (port.name) {
    check(isPortName, port.name, `${field}.service.port.name`, causes);
  } else if (port.number) {
    const fault = isPortNumber(port.number);
    if (fault) causes.push(invalid(`${field}.service.port.number`, port.number, fault));
  } else {
    causes.push(required(field, 'port name or number is required'));
  }
}

function validateParameters(parameters: IngressClassParametersReference, causes: StatusCause[]): void {
  const field = 'spec.parameters';
  validateReference(parameters, field, causes);
  const { scope, namespace } = parameters;
  if (scope === 'Namespace') {
    if (namespace === undefined) {
      causes.push(required(`${field}.namespace`, "`parameters.scope` is set to 'Namespace'"));
    } else {
      check(isDnsLabel, namespace, `${field}.namespace`, causes);
    }
  } else if (scope === 'Cluster' && namespace !== undefined) {
    causes.push(forbidden(`${field}.namespace`, "`parameters.scope` is set to 'Cluster'"));
  }
}

function validateReference(
  { apiGroup, kind, name }: Pick<TypedLocalObjectReference, 'apiGroup' | 'kind' | 'name'>,
  field: string,
  causes: StatusCause[],
): void {
  if (apiGroup !== undefined) check(isDnsSubdomain, apiGroup, `${field}.apiGroup`, causes);
  if (kind) check(isPathSegment, kind, `${field}.kind`, causes);
  if (name) check(isPathSegment, name, `${field}.name`, causes);
}

function check(format: Format, value: string, field: string, causes: StatusCause[]): void {
  const fault = format(value);
  if (fault) causes.push(invalid(field, value, fault));
}

function hostFormat(host: string): Format {
  return host.includes('*') ? isWildcardDnsSubdomain : isDnsSubdomain;
}

function isNoAddress(host: string): string | undefined {
  return isIp(host) ? undefined : 'must be a DNS name, not an IP address';
}

function formatHosts(rules: readonly IngressRule[]): string {
  const hosts = rules.map(({ host }) => host).filter((host) => !!host);
  if (hosts.length === 0) return '*';
  const list = hosts.slice(0, maxHosts).join(',');
  return hosts.length > maxHosts ? `${list} + ${hosts.length - maxHosts} more...` : list;
}

function ingressWarnings({ metadata, spec }: Ingress, old: Ingress | undefined): string[] {
  const annotation = 'kubernetes.io/ingress.class';
  if (old || metadata.annotations?.[annotation] === undefined || spec.ingressClassName !== undefined) return [];
  return [`annotation "${annotation}" is deprecated, please use 'spec.ingressClassName' instead`];
}
