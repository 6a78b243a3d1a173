import ipaddr from 'ipaddr.js';
import type { Endpoint, EndpointPort, EndpointSlice, StatusCause } from '../../generated/types.ts';
import { duplicate, invalid, tooMany } from '../../schema/causes.ts';
import { isDnsLabel, isDnsSubdomain, isIpv4, isIpv6 } from '../../schema/formats.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { validateLabels } from '../rules/metadata.ts';

/** The most entries of deprecatedTopology. */
const maxTopologyLabels = 16;
/** The most ports or addresses in a row of kubectl's table. */
const maxShown = 3;

export const endpointSlice: Behaviour<EndpointSlice> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('AddressType', 'The type of the addresses.', ({ addressType }) => addressType),
    text('Ports', 'The ports of the endpoints.', ({ ports = [] }) => {
      return shown(ports.map(({ name, port }) => (port === undefined ? (name ?? '*') : String(port))));
    }),
    text('Endpoints', 'The addresses of the endpoints.', ({ endpoints = [] }) => {
      return shown(endpoints.flatMap(({ addresses }) => addresses ?? []));
    }),
    ageColumn as Column<EndpointSlice>,
  ],
  strategy: {
    generation: 'body',
    validate({ addressType, endpoints = [], ports = [] }, causes) {
      for (const [index, endpoint] of endpoints.entries()) {
        validateEndpoint(endpoint, addressType, `endpoints[${index}]`, causes);
      }
      validatePorts(ports, causes);
    },
    warnings: ({ addressType }, old) =>
      addressType === 'FQDN' && !old ? ['spec.addressType: FQDN endpoints are deprecated'] : [],
  },
};

function validateEndpoint(
  { addresses, deprecatedTopology, hints }: Endpoint,
  type: string,
  field: string,
  causes: StatusCause[],
): void {
  for (const [index, address] of (addresses ?? []).entries()) {
    const fault = addressFault(type, address);
    if (fault) causes.push(invalid(`${field}.addresses[${index}]`, address, fault));
  }
  if (deprecatedTopology) {
    const path = `${field}.deprecatedTopology`;
    const count = Object.keys(deprecatedTopology).length;
    if (count > maxTopologyLabels) causes.push(tooMany(path, count, maxTopologyLabels));
    validateLabels(deprecatedTopology, path, causes);
  }
  const zones = new Set<string>();
  for (const [index, { name }] of (hints?.forZones ?? []).entries()) {
    if (zones.has(name)) causes.push(duplicate(`${field}.hints.forZones[${index}].name`, name));
    zones.add(name);
  }
}

function validatePorts(ports: readonly EndpointPort[], causes: StatusCause[]): void {
  const names = new Set<string>();
  for (const [index, { name = '' }] of ports.entries()) {
    const field = `ports[${index}].name`;
    const fault = name && isDnsLabel(name);
    if (fault) causes.push(invalid(field, name, fault));
    if (names.has(name)) causes.push(duplicate(field, name));
    names.add(name);
  }
}

function addressFault(type: string, address: string): string | undefined {
  switch (type) {
    case 'IPv4':
      return isIpv4(address) ?? specialFault(address);
    case 'IPv6':
      return isIpv6(address) ?? specialFault(address);
    case 'FQDN':
      return domainFault(address);
    default:
      return undefined;
  }
}

/** Why an address cannot be that of a backend: it is local to each machine. `address` is well-formed. */
export function specialFault(address: string): string | undefined {
  const parsed = ipaddr.parse(address);
  switch (parsed.range()) {
    case 'unspecified':
      return `may not be unspecified (${address})`;
    case 'loopback':
      return 'may not be in the loopback range (127.0.0.0/8, ::1/128)';
    case 'linkLocal':
      return 'may not be in the link-local range (169.254.0.0/16, fe80::/10)';
    case 'multicast': {
      const [first = 0, second = 0, third = 0] = parsed.toByteArray();
      const local = first === 0xff ? (second & 0xf) === 2 : second === 0 && third === 0;
      return local ? 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)' : undefined;
    }
    default:
      return undefined;
  }
}

/** A DNS name of at least two labels, perhaps with a trailing dot. */
function domainFault(address: string): string | undefined {
  const name = address.replace(/\.$/, '');
  if (name === '') return 'should be a domain with at least two segments separated by dots';
  const fault = isDnsSubdomain(name);
  if (fault) return fault;
  if (!name.includes('.')) return 'should be a domain with at least two segments separated by dots';
  for (const label of name.split('.')) {
    const wrong = isDnsLabel(label);
    if (wrong) return wrong;
  }
  return undefined;
}

function shown(items: readonly string[]): string {
  if (items.length === 0) return '<unset>';
  const list = items.slice(0, maxShown).join(',');
  return items.length > maxShown ? `${list} + ${items.length - maxShown} more...` : list || '<unset>';
}
