import ipaddr from 'ipaddr.js';

/**
 * A check of one string format of Kubernetes' objects (apimachinery, `util/validation`): the fault in
 * Kubernetes' words, or undefined when the value is well-formed.
 */
export type Format = (value: string) => string | undefined;

const letters = "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const name = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const nameExamples = ['MyName', 'my.name', '123-abc'];

const dnsLabelPattern = pattern(
  label,
  63,
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  ['my-name', '123-abc'],
);

/** A name of several labels gets its own message. */
export const isDnsLabel: Format = (value) => {
  const fault = dnsLabelPattern(value);
  return fault && value.length <= 63 && isDnsSubdomain(value) === undefined ? 'must not contain dots' : fault;
};

export const isDnsSubdomain: Format = pattern(
  `${label}(\\.${label})*`,
  253,
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  ['example.com'],
);

export const isDns1035Label: Format = pattern(
  '[a-z]([-a-z0-9]*[a-z0-9])?',
  63,
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  ['my-name', 'abc-123'],
);

export const isLabelValue: Format = pattern(
  `(${name})?`,
  63,
  `a valid label must be an empty string or consist of ${letters}`,
  ['MyValue', 'my_value', '12345'],
);

/** A DNS name whose first label is a wildcard. */
export const isWildcardDnsSubdomain: Format = pattern(
  `\\*\\.${label}(\\.${label})*`,
  253,
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
  ['*.example.com'],
);

const isNamePart = pattern(name, 63, `must consist of ${letters}`, nameExamples);
const configKeyPattern = pattern(
  '[-._a-zA-Z0-9]+',
  253,
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  ['key.name', 'KEY_NAME', 'key-name'],
);

/** The key of a label, a taint, a resource …: an optional DNS subdomain and `/`, then a name of up to 63 characters. */
export const isQualifiedName: Format = (value) => {
  const slash = value.indexOf('/');
  if (slash >= 0) {
    if (value.includes('/', slash + 1)) {
      const fault = explain(`must consist of ${letters}`, name, nameExamples);
      return `a valid label key ${fault} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
    }
    const prefix = value.slice(0, slash);
    const fault = prefix === '' ? 'must be non-empty' : isDnsSubdomain(prefix);
    if (fault) return `prefix part ${fault}`;
  }
  const part = slash < 0 ? value : value.slice(slash + 1);
  const fault = part === '' ? 'must be non-empty' : isNamePart(part);
  return fault && `name part ${fault}`;
};

/** A key of a ConfigMap's or Secret's data: also a file name. */
export const isConfigKey: Format = (value) => configKeyPattern(value) ?? parentPath(value);

export const isPortName: Format = (value) => {
  if (value.length > 15) return tooLong(15);
  if (!/^[-a-z0-9]+$/.test(value)) return 'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)';
  if (!/[a-z]/.test(value)) return 'must contain at least one letter (a-z)';
  if (value.includes('--')) return 'must not contain consecutive hyphens';
  return /^-|-$/.test(value) ? 'must not begin or end with a hyphen' : undefined;
};

export function isPortNumber(value: number): string | undefined {
  return value >= 1 && value <= 65_535 ? undefined : rangeFault(1, 65_535);
}

/** Kubernetes' relaxed rule: any printable ASCII but `=`. */
export const isEnvName: Format = (value) => {
  if (value === '') return 'environment variable name must be non-empty';
  return /^[ -<>-~]+$/.test(value)
    ? undefined
    : "a valid environment variable name must consist only of printable ASCII characters other than '='";
};

export const isIp: Format = (value) =>
  isPlainIpv4(value) || isPlainIpv6(value)
    ? undefined
    : 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

export const isIpv4: Format = (value) => (isPlainIpv4(value) ? undefined : 'must be a valid IPv4 address');

export const isIpv6: Format = (value) => (isPlainIpv6(value) ? undefined : 'must be a valid IPv6 address');

/** The host part may be set: `10.0.0.1/24` passes. Numbers have no leading zeros. */
export const isCidr: Format = (value) => {
  const [, address = '', bits] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(value) ?? [];
  const most = isPlainIpv4(address) ? 32 : isPlainIpv6(address) ? 128 : -1;
  return bits !== undefined && Number(bits) <= most
    ? undefined
    : 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
};

/** No short, octal or hexadecimal forms. */
function isPlainIpv4(value: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(value);
}

/** No zone. */
function isPlainIpv6(value: string): boolean {
  return !value.includes('%') && ipaddr.IPv6.isValid(value);
}

const isAbsolutePath: Format = (value) => (value.startsWith('/') ? undefined : 'must be an absolute path');

const httpPath = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const httpPathPattern = new RegExp(`^${httpPath}$`);

/** A domain, a slash, and a path: `example.com/thing`. */
export const isDomainPrefixedPath: Format = (value) => {
  const slash = value.indexOf('/');
  if (slash < 1 || slash === value.length - 1) return 'must be a domain-prefixed path (such as "acme.io/foo")';
  const fault = isDnsSubdomain(value.slice(0, slash));
  if (fault) return fault;
  return httpPathPattern.test(value.slice(slash + 1))
    ? undefined
    : `Invalid path (regex used for validation is '${httpPath}')`;
};

/** A name that can be a segment of a path, without further rules. */
export const isPathSegment: Format = (value) => {
  if (value === '.' || value === '..') return `may not be '${value}'`;
  const wrong = ['/', '%'].find((one) => value.includes(one));
  return wrong && `may not contain '${wrong}'`;
};

/** A relative path without `..`. */
export const isLocalPath: Format = (value) => {
  if (value.startsWith('/')) return 'must be a relative path';
  return value.split('/').includes('..') ? "must not contain '..'" : undefined;
};

export const isPercent: Format = pattern(
  '[0-9]+%',
  16,
  "a valid percent string must be a numeric string followed by an ending '%'",
  ['1%', '93%'],
);

const isHttpHeaderName: Format = pattern(
  '[-A-Za-z0-9]+',
  1024,
  "a valid HTTP header must consist of alphanumeric characters or '-'",
  ['X-Header-Name'],
);

/** The formats that `(coracle.format)` can name. */
export const formats: Readonly<Record<string, Format>> = {
  'dns-label': isDnsLabel,
  'dns-subdomain': isDnsSubdomain,
  'dns-1035-label': isDns1035Label,
  'qualified-name': isQualifiedName,
  'label-value': isLabelValue,
  'env-name': isEnvName,
  'absolute-path': isAbsolutePath,
  'local-path': isLocalPath,
  ip: isIp,
  cidr: isCidr,
  'config-key': isConfigKey,
  'port-name': isPortName,
  'http-header-name': isHttpHeaderName,
};

/** The fault of a number outside of inclusive bounds, in Kubernetes' words. */
export function rangeFault(min: number, max: number): string {
  return `must be between ${min} and ${max}, inclusive`;
}

function parentPath(value: string): string | undefined {
  if (value === '.' || value === '..') return `must not be '${value}'`;
  return value.startsWith('..') ? "must not start with '..'" : undefined;
}

function pattern(source: string, maxLength: number, rule: string, examples: readonly string[]): Format {
  const regexp = new RegExp(`^(?:${source})$`);
  const fault = explain(rule, source, examples);
  return (value) => {
    if (value.length > maxLength) return tooLong(maxLength);
    return regexp.test(value) ? undefined : fault;
  };
}

function explain(rule: string, source: string, examples: readonly string[]): string {
  const shown = examples.map((example) => `'${example}', `).join(' or ');
  return `${rule} (e.g. ${shown}regex used for validation is '${source}')`;
}

function tooLong(limit: number): string {
  return `must be no more than ${limit} characters`;
}
