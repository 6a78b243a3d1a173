import { many, pods, type Worst } from './request.ts';

const get = (name: string, path: string, headers: Record<string, string> = {}): Worst => ({
  name: `GET: ${name}`,
  ask: (call) => call('GET', path, { headers }),
});
const q = encodeURIComponent;

/** Questions; there is a ConfigMap `many` with many members. */
export const queryRequests: readonly Worst[] = [
  get('a label selector of 16 kB', `${pods}?labelSelector=${q(`a in (${many(2_500, (i) => `b${i}`).join()})`)}`),
  get('a label selector of many terms', `${pods}?labelSelector=${q(many(1_900, (i) => `a${i}!=b`).join())}`),
  get('a field selector of many terms', `${pods}?fieldSelector=${q(many(600, () => 'metadata.name!=b').join())}`),
  get('a field selector of backslashes', `${pods}?fieldSelector=${'%5C'.repeat(5_000)}`),
  get('escapes without end', `${pods}?x=${'%25'.repeat(5_000)}`),
  get('many parameters', `${pods}?${'a&'.repeat(8_000)}`),
  get('a continue token of 16 kB', `${pods}?limit=1&continue=${'A'.repeat(16_000)}`),
  get('an Accept header of many types', pods, { accept: 'a/b;q=0.1,'.repeat(3_000) }),
  get('an Accept header of stars', pods, { accept: `${'*'.repeat(4_000)},`.repeat(7) }),
  get('an Accept header of semicolons', pods, { accept: ';'.repeat(30_000) }),
  get('a Connection header of commas', pods, { connection: `keep-alive${', '.repeat(14_000)}` }),
  get('a bearer token of 30 kB', pods, { authorization: `Bearer ${'a.'.repeat(15_000)}` }),
  get('an encoding header of commas', pods, { 'accept-encoding': 'gzip;q=0,'.repeat(3_000) }),
  get('an agent of 30 kB', pods, { 'user-agent': 'a'.repeat(30_000) }),
  get('a path of slashes', `/api/v1/${'/'.repeat(15_000)}`),
  get('discovery', '/apis'),
  get('OpenAPI', '/openapi/v2'),
  get('OpenAPI again', '/openapi/v2', { accept: 'application/json' }),
  get('OpenAPI as protobuf', '/openapi/v2', { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' }),
  get('OpenAPI v3', '/openapi/v3'),
  get('OpenAPI v3 of core', '/openapi/v3/api/v1'),
  get('metrics', '/metrics'),
  ...['json', 'yaml'].map((type) =>
    get(`a large object as ${type}`, '/api/v1/namespaces/default/configmaps/many', { accept: `application/${type}` }),
  ),
  get('a large object as protobuf', '/api/v1/namespaces/default/configmaps/many', {
    accept: 'application/vnd.kubernetes.protobuf',
  }),
  get('a large object, indented', '/api/v1/namespaces/default/configmaps/many?pretty=true'),
  get('a large object as a table', '/api/v1/namespaces/default/configmaps/many?includeObject=Object', {
    accept: 'application/json;as=Table;g=meta.k8s.io;v=v1',
  }),
  get('a list of a large object as YAML', '/api/v1/namespaces/default/configmaps', { accept: 'application/yaml' }),
];
