/** A message of about four megabytes, the largest that is taken, to a method of gRPC. */
export interface WorstCall {
  readonly name: string;
  /** `coracle.v1.SERVICE/METHOD` without the package. */
  readonly method: string;
  readonly message: Uint8Array;
}

const size = 3_900_000;
const empty = (tag: number): Buffer => repeated([tag, 0]);

export const grpcCalls: readonly WorstCall[] = [
  { name: 'bindings', method: 'Pods/Bind', message: empty(0x0a) },
  { name: 'audiences', method: 'ServiceAccounts/CreateToken', message: empty(0x1a) },
  { name: 'data', method: 'ConfigMaps/Create', message: field(0x0a, repeated([0x12, 2, 0x0a, 0])) },
  { name: 'finalizers', method: 'ConfigMaps/Create', message: field(0x0a, field(0x0a, empty(0x72))) },
  { name: 'owners', method: 'ConfigMaps/Create', message: field(0x0a, field(0x0a, empty(0x6a))) },
  { name: 'unknown fields', method: 'ConfigMaps/Create', message: field(0x0a, repeated([0x98, 6, 0])) },
  { name: 'groups', method: 'ConfigMaps/Create', message: repeated([0x0b]) },
  { name: 'a deep patch', method: 'ConfigMaps/Patch', message: patch('merge', '{"a":'.repeat(700_000)) },
  { name: 'a selector of 3.8 MB', method: 'Pods/List', message: field(0x12, Buffer.from('a,'.repeat(1_900_000))) },
  { name: 'a selector of 20,000 terms', method: 'Pods/List', message: field(0x12, Buffer.from('!a,'.repeat(20_000))) },
  {
    name: 'dry runs of a deletion',
    method: 'ConfigMaps/Delete',
    message: Buffer.concat([named(), field(0x1a, empty(0x2a))]),
  },
];

function patch(type: string, body: string): Buffer {
  return Buffer.concat([named(), field(0x1a, Buffer.from(type)), field(0x22, Buffer.from(body))]);
}

function named(): Buffer {
  return Buffer.concat([field(0x0a, Buffer.from('default')), field(0x12, Buffer.from('x'))]);
}

/** A length-delimited field. */
function field(tag: number, bytes: Uint8Array): Buffer {
  const length: number[] = [];
  let left = bytes.length;
  for (; left >= 0x80; left >>>= 7) length.push((left & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([tag, ...length, left]), bytes]);
}

function repeated(unit: readonly number[]): Buffer {
  return Buffer.alloc(Math.floor(size / unit.length) * unit.length, Buffer.from(unit));
}
