import type { EndpointAddress, EndpointPort, Endpoints, StatusCause } from '../../generated/types.ts';
import { invalid, notSupported, required } from '../../schema/causes.ts';
import { isDnsLabel, isDnsSubdomain, isIp, isQualifiedName, rangeFault } from '../../schema/formats.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import { specialFault } from '../discovery/endpoint-slice.ts';
import type { Behaviour, Column } from '../kind.ts';

/** The most addresses in a row of kubectl's table. */
const maxShown = 3;
const protocols = ['SCTP', 'TCP', 'UDP'];

export const endpoints: Behaviour<Endpoints> = {
  nameFormat: isDnsSubdomain,
  columns: [nameColumn, text('Endpoints', 'The ready addresses.', formatEndpoints), ageColumn as Column<Endpoints>],
  strategy: {
    validate({ subsets = [] }, causes) {
      for (const [index, subset] of subsets.entries()) {
        const field = `subsets[${index}]`;
        const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
        if (addresses.length + notReadyAddresses.length === 0) {
          causes.push(required(field, 'must specify `addresses` or `notReadyAddresses`'));
        }
        for (const [part, list] of Object.entries({ addresses, notReadyAddresses })) {
          for (const [at, address] of list.entries()) validateAddress(address, `${field}.${part}[${at}]`, causes);
        }
        for (const [at, port] of ports.entries()) {
          validatePort(port, ports.length > 1, `${field}.ports[${at}]`, causes);
        }
      }
    },
  },
};

function validateAddress({ ip, hostname, nodeName }: EndpointAddress, field: string, causes: StatusCause[]): void {
  const fault = ip && (isIp(ip) ?? specialFault(ip));
  if (fault) causes.push(invalid(`${field}.ip`, ip, fault));
  const wrong = hostname && isDnsLabel(hostname);
  if (wrong) causes.push(invalid(`${field}.hostname`, hostname, wrong));
  const bad = nodeName && isDnsSubdomain(nodeName);
  if (bad) causes.push(invalid(`${field}.nodeName`, nodeName, bad));
}

function validatePort(
  { name = '', port, protocol, appProtocol }: EndpointPort,
  named: boolean,
  field: string,
  causes: StatusCause[],
): void {
  if (name === '' && named) causes.push(required(`${field}.name`));
  const fault = name && isDnsLabel(name);
  if (fault) causes.push(invalid(`${field}.name`, name, fault));
  if (port === undefined || port < 1 || port > 65_535) {
    causes.push(invalid(`${field}.port`, port ?? 0, rangeFault(1, 65_535)));
  }
  if (protocol !== undefined && !protocols.includes(protocol)) {
    causes.push(notSupported(`${field}.protocol`, protocol, protocols));
  }
  const wrong = appProtocol && isQualifiedName(appProtocol);
  if (wrong) causes.push(invalid(`${field}.appProtocol`, appProtocol, wrong));
}

function formatEndpoints({ subsets = [] }: Endpoints): string {
  const all = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip }) => ip)
      : ports.flatMap(({ port }) =>
          addresses.map(({ ip }) => (ip?.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)),
        ),
  );
  if (all.length === 0) return '<none>';
  const shown = all.slice(0, maxShown).join(',');
  return all.length > maxShown ? `${shown} + ${all.length - maxShown} more...` : shown;
}
