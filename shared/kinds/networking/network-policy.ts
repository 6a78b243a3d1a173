import ipaddr from 'ipaddr.js';
import type {
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  StatusCause,
} from '../../generated/types.ts';
import { forbidden, invalid, notSupported, required } from '../../schema/causes.ts';
import { isCidr, isDnsSubdomain, isPortName, isPortNumber } from '../../schema/formats.ts';
import { formatSelector, selectorOf, validateLabelSelector } from '../../selector.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

const protocols = ['TCP', 'UDP', 'SCTP'];
const directions = ['Ingress', 'Egress'];

export const networkPolicy: Behaviour<NetworkPolicy> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Pod-Selector', 'The selector of the pods to which the policy applies.', ({ spec }) => {
      return formatSelector(selectorOf(spec.podSelector)) || '<none>';
    }),
    ageColumn as Column<NetworkPolicy>,
  ],
  strategy: {
    generation: 'spec',
    default({ spec }) {
      if (!spec || spec.policyTypes?.length) return;
      spec.policyTypes = spec.egress?.length ? [...directions] : ['Ingress'];
    },
    validate({ spec }, causes) {
      const { podSelector, ingress = [], egress = [], policyTypes = [] } = spec;
      if (podSelector) validateLabelSelector(podSelector, 'spec.podSelector', causes);
      for (const [index, { ports, from }] of ingress.entries()) {
        validateRule(ports, from, `spec.ingress[${index}]`, 'from', causes);
      }
      for (const [index, { ports, to }] of egress.entries()) {
        validateRule(ports, to, `spec.egress[${index}]`, 'to', causes);
      }
      if (policyTypes.length > directions.length) {
        causes.push(invalid('spec.policyTypes', policyTypes, 'may not specify more than two policyTypes'));
        return;
      }
      for (const [index, type] of policyTypes.entries()) {
        if (!directions.includes(type)) {
          causes.push(notSupported(`spec.policyTypes[${index}]`, type, directions, 'as given'));
        }
      }
    },
  },
};

function validateRule(
  ports: readonly NetworkPolicyPort[] | undefined,
  peers: readonly NetworkPolicyPeer[] | undefined,
  field: string,
  side: 'from' | 'to',
  causes: StatusCause[],
): void {
  for (const [index, port] of (ports ?? []).entries()) validatePort(port, `${field}.ports[${index}]`, causes);
  for (const [index, peer] of (peers ?? []).entries()) validatePeer(peer, `${field}.${side}[${index}]`, causes);
}

function validatePort({ protocol, port, endPort }: NetworkPolicyPort, field: string, causes: StatusCause[]): void {
  if (protocol !== undefined && !protocols.includes(protocol)) {
    causes.push(notSupported(`${field}.protocol`, protocol, protocols, 'as given'));
  }
  const last = `${field}.endPort`;
  if (port === undefined) {
    if (endPort !== undefined) causes.push(invalid(last, endPort, 'may not be specified when `port` is not specified'));
    return;
  }
  if (typeof port === 'string') {
    if (endPort !== undefined) causes.push(invalid(last, endPort, 'may not be specified when `port` is non-numeric'));
    const fault = isPortName(port);
    if (fault) causes.push(invalid(`${field}.port`, port, fault));
    return;
  }
  const fault = isPortNumber(port);
  if (fault) causes.push(invalid(`${field}.port`, port, fault));
  if (endPort === undefined) return;
  if (endPort < port) causes.push(invalid(last, endPort, 'must be greater than or equal to `port`'));
  const wrong = isPortNumber(endPort);
  if (wrong) causes.push(invalid(last, endPort, wrong));
}

function validatePeer(
  { podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer,
  field: string,
  causes: StatusCause[],
): void {
  if (podSelector) validateLabelSelector(podSelector, `${field}.podSelector`, causes);
  if (namespaceSelector) validateLabelSelector(namespaceSelector, `${field}.namespaceSelector`, causes);
  if (ipBlock) validateBlock(ipBlock, `${field}.ipBlock`, causes);
  if (!podSelector && !namespaceSelector && !ipBlock) causes.push(required(field, 'must specify a peer'));
  if (ipBlock && (podSelector || namespaceSelector)) {
    causes.push(forbidden(field, 'may not specify both ipBlock and another peer'));
  }
}

function validateBlock({ cidr, except }: IPBlock, field: string, causes: StatusCause[]): void {
  if (!cidr) return;
  const outer = rangeOf(cidr);
  if (!outer) {
    causes.push(invalid(`${field}.cidr`, cidr, isCidr(cidr) ?? ''));
    return;
  }
  for (const [index, one] of (except ?? []).entries()) {
    const inner = rangeOf(one);
    const wrong = inner ? (isWithin(inner, outer) ? undefined : 'must be a strict subset of `cidr`') : isCidr(one);
    if (wrong) causes.push(invalid(`${field}.except[${index}]`, one, wrong));
  }
}

type Range = ReturnType<typeof ipaddr.parseCIDR>;

/** Undefined when the text is not valid. */
function rangeOf(cidr: string): Range | undefined {
  return isCidr(cidr) === undefined ? ipaddr.parseCIDR(cidr) : undefined;
}

function isWithin([address, bits]: Range, outer: Range): boolean {
  return address.kind() === outer[0].kind() && bits > outer[1] && address.match(outer);
}
