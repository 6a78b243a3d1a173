import type { CallOptions } from './server-process.ts';
import { json, maps, patches, pods, typed, yaml } from './worst/request.ts';

const protobuf = 'application/vnd.kubernetes.protobuf';

export const map = (rest: string, name = 'x'): string =>
  `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${name}"}${rest}}`;
const pod = (spec: string): string => `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},"spec":${spec}}`;
const nested = (open: string, close: string, depth: number): string => open.repeat(depth) + close.repeat(depth);
/** An envelope of Kubernetes' protobuf around bytes. */
const envelope = (raw: Uint8Array): Buffer => Buffer.concat([Buffer.from('k8s\0'), raw]);
/** A field of a protobuf message with a length beyond its end. */
export const overlong = Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3]);
export const groups = (depth: number): Buffer => {
  let inner = Buffer.from([0x12, 0]);
  for (let i = 0; i < depth && inner.length < 100_000; i++) {
    const length: number[] = [];
    for (let left = inner.length; left > 0 || length.length === 0; left >>>= 7)
      length.push((left & 127) | (left > 127 ? 128 : 0));
    inner = Buffer.concat([Buffer.from([0x0a, ...length]), inner]);
  }
  return inner;
};
const bomb = (levels: number): string => {
  let text = 'a0: &a0 [x,x,x,x,x,x,x,x,x]\n';
  for (let i = 1; i < levels; i++) text += `a${i}: &a${i} [${`*a${i - 1},`.repeat(9).slice(0, -1)}]\n`;
  return `${text}apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n`;
};

const many = (count: number, one: (index: number) => string): string =>
  Array.from({ length: count }, (_, i) => one(i)).join(',');
const owner = (uid: number): string => `{"apiVersion":"v1","kind":"Pod","name":"o","uid":"${uid}","controller":true}`;

/** Each must be refused with a code from 400 to 499 and a Status with the reason. */
export const refused: Readonly<Record<string, readonly [method: string, path: string, options?: CallOptions]>> = {
  'an empty body': ['POST', maps, typed(json, '')],
  'YAML of 200,000 items': ['POST', maps, typed(yaml, '- a\n'.repeat(200_000))],
  'YAML of 200,000 comments': ['POST', maps, typed(yaml, '#\n'.repeat(200_000))],
  'YAML of 200,000 brackets': ['PATCH', `${maps}/seed?fieldManager=a`, typed(patches.apply, '{a: '.repeat(200_000))],
  '5,000 owners that all control': [
    'POST',
    maps,
    typed(json, map('').replace('"name":"x"', `"name":"x","ownerReferences":[${many(5_000, owner)}]`)),
  ],
  '100,000 usages': [
    'POST',
    '/apis/certificates.k8s.io/v1/certificatesigningrequests',
    typed(
      json,
      `{"metadata":{"name":"x"},"spec":{"signerName":"a.b/c","request":"aaaa","usages":[${many(100_000, (i) => `"u${i}"`)}]}}`,
    ),
  ],
  '100,000 exit codes': [
    'POST',
    '/apis/batch/v1/namespaces/default/jobs',
    typed(
      json,
      `{"metadata":{"name":"x"},"spec":{"podFailurePolicy":{"rules":[{"action":"Ignore","onExitCodes":{"operator":"In","values":[${many(100_000, (i) => String(i + 1))}]}}]},"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"x"}]}}}}`,
    ),
  ],
  'more than the store takes': [
    'POST',
    pods,
    typed(json, pod(`{"containers":[${many(15_000, (i) => `{"name":"c${i}","image":"x"}`)}]}`)),
  ],
  'no object: null': ['POST', maps, typed(json, 'null')],
  'no object: a list': ['POST', maps, typed(json, '[]')],
  'no object: a number': ['POST', maps, typed(json, '17')],
  'JSON that is cut': ['POST', maps, typed(json, map(',"data":{"a":"b').slice(0, -1))],
  'JSON 100,000 lists deep': ['POST', maps, typed(json, nested('[', ']', 100_000))],
  'JSON 100,000 objects deep': ['POST', maps, typed(json, `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`)],
  'a field that is deep': ['POST', maps, typed(json, map(`,"data":${nested('[', ']', 5_000)}`))],
  'an annotation that is deep': [
    'POST',
    maps,
    typed(json, map(`,"metadata":{"annotations":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`)),
  ],
  'a body of the wrong kind': ['POST', maps, typed(json, '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}')],
  'a kind that is an object': ['POST', maps, typed(json, '{"apiVersion":{},"kind":[],"metadata":{"name":"x"}}')],
  'metadata that is a list': ['POST', maps, typed(json, '{"apiVersion":"v1","kind":"ConfigMap","metadata":[]}')],
  'a name that is a number': [
    'POST',
    maps,
    typed(json, '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":1}}'),
  ],
  'a name of a megabyte': ['POST', maps, typed(json, map('', 'x'.repeat(1_000_000)))],
  'a name with NUL': ['POST', maps, typed(json, map('', 'a\\u0000b'))],
  'a name that leads away': ['POST', maps, typed(json, map('', '../../secrets/x'))],
  'a name that is half a character': ['POST', maps, typed(json, map('', '\\ud800'))],
  'the name __proto__': ['POST', maps, typed(json, map('', '__proto__'))],
  'a namespace that is not that of the URL': [
    'POST',
    maps,
    typed(json, map(',"metadata":{"namespace":"kube-system"}')),
  ],
  'data that is a text': ['POST', maps, typed(json, map(',"data":"x"'))],
  'data with a number': ['POST', maps, typed(json, map(',"data":{"a":1}'))],
  'labels with a list': [
    'POST',
    maps,
    typed(json, '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","labels":{"a":[]}}}'),
  ],
  'a number beyond all bounds': [
    'POST',
    pods,
    typed(json, pod('{"containers":[{"name":"a","image":"b"}],"priority":1e999}')),
  ],
  'a grace of 10^30': [
    'POST',
    pods,
    typed(json, pod('{"containers":[{"name":"a","image":"b"}],"terminationGracePeriodSeconds":1e30}')),
  ],
  'a port of minus one': [
    'POST',
    pods,
    typed(json, pod('{"containers":[{"name":"a","image":"b","ports":[{"containerPort":-1}]}]}')),
  ],
  'a quantity of a megabyte': [
    'POST',
    pods,
    typed(
      json,
      pod(`{"containers":[{"name":"a","image":"b","resources":{"limits":{"cpu":"${'9'.repeat(1_000_000)}"}}}]}`),
    ),
  ],
  'containers that are null': ['POST', pods, typed(json, pod('{"containers":[null]}'))],
  '100,000 containers of nothing': [
    'POST',
    pods,
    typed(json, pod(`{"containers":[${'{},'.repeat(100_000).slice(0, -1)}]}`)),
  ],
  'a body over the limit': ['POST', maps, typed(json, map(`,"data":{"a":"${'x'.repeat(3.2e6)}"}`))],
  'a content type of nobody': ['POST', maps, typed('application/x-nobody', 'x')],
  'a content type of 10,000 letters': ['POST', maps, typed('x'.repeat(10_000), 'x')],
  'YAML that is cut': ['POST', maps, typed(yaml, 'apiVersion: v1\nkind: "Config')],
  'YAML with an alias bomb': ['POST', maps, typed(yaml, bomb(12))],
  'YAML 20,000 lists deep': ['POST', maps, typed(yaml, nested('[', ']', 20_000))],
  'YAML 5,000 blocks deep': [
    'POST',
    maps,
    typed(yaml, Array.from({ length: 1_500 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')),
  ],
  'YAML of an alias to itself': ['POST', maps, typed(yaml, '&a [*a]')],
  'YAML of many documents': ['POST', maps, typed(yaml, '---\na: 1\n'.repeat(10_000))],
  'YAML with a tag': ['POST', maps, typed(yaml, '!!js/function "x"')],
  'YAML with a key that is a map': ['POST', maps, typed(yaml, '{{a: b}: c}')],
  'protobuf without its head': ['POST', maps, typed(protobuf, Buffer.from('nope'))],
  'protobuf of nothing': ['POST', maps, typed(protobuf, Buffer.alloc(0))],
  'protobuf that is random': [
    'POST',
    maps,
    typed(protobuf, envelope(Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 7919) & 255)))),
  ],
  'protobuf with a length that is not there': ['POST', maps, typed(protobuf, envelope(overlong))],
  'protobuf 5,000 messages deep': ['POST', maps, typed(protobuf, envelope(groups(5_000)))],
  'protobuf of endless groups': ['POST', maps, typed(protobuf, envelope(Buffer.alloc(1_000_000, 0x0b)))],
  'a JSON patch of 100,000 operations': [
    'PATCH',
    `${maps}/seed`,
    typed(patches.json, JSON.stringify(new Array(100_000).fill({ op: 'test', path: '/a', value: 1 }))),
  ],
  'a JSON patch that doubles itself': [
    'PATCH',
    `${maps}/seed`,
    typed(
      patches.json,
      JSON.stringify([
        { op: 'add', path: '/data', value: { a: 'x'.repeat(1_000) } },
        ...Array.from({ length: 60 }, (_, i) => ({ op: 'copy', from: '/data', path: `/data/k${i}` })),
      ]),
    ),
  ],
  'a JSON patch of no list': ['PATCH', `${maps}/seed`, typed(patches.json, '{}')],
  'a JSON patch with a path into the prototype': [
    'PATCH',
    `${maps}/seed`,
    typed(patches.json, '[{"op":"add","path":"/__proto__/x","value":1}]'),
  ],
  'a JSON patch with an index beyond all lists': [
    'PATCH',
    `${maps}/seed`,
    typed(patches.json, '[{"op":"add","path":"/metadata/finalizers/99999999999999999999","value":"x"}]'),
  ],
  'a JSON patch with a path of a megabyte': [
    'PATCH',
    `${maps}/seed`,
    typed(patches.json, JSON.stringify([{ op: 'remove', path: '/a'.repeat(500_000) }])),
  ],
  'a JSON patch that is deep': [
    'PATCH',
    `${maps}/seed`,
    typed(patches.json, `[{"op":"add","path":"/data","value":${nested('[', ']', 50_000)}}]`),
  ],
  'a merge patch that is deep': [
    'PATCH',
    `${maps}/seed`,
    typed(patches.merge, `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`),
  ],
  'a merge patch of null': ['PATCH', `${maps}/seed`, typed(patches.merge, 'null')],
  'a merge patch of the kind': ['PATCH', `${maps}/seed`, typed(patches.merge, '{"kind":"Secret"}')],
  'a strategic patch with a directive of nobody': [
    'PATCH',
    `${maps}/seed`,
    typed(patches.strategic, '{"$patch":"explode"}'),
  ],
  'a strategic patch that is deep': [
    'PATCH',
    `${maps}/seed`,
    typed(patches.strategic, `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`),
  ],
  'an apply of an alias bomb': ['PATCH', `${maps}/seed?fieldManager=x`, typed(patches.apply, bomb(12))],
  'an apply of nothing': ['PATCH', `${maps}/seed?fieldManager=x`, typed(patches.apply, '')],
  'an apply without a manager': ['PATCH', `${maps}/seed`, typed(patches.apply, map(''))],
  'a manager of a megabyte in the URL': [
    'PATCH',
    `${maps}/seed?fieldManager=${'x'.repeat(15_000)}`,
    typed(patches.apply, map('', 'seed')),
  ],
  'a patch of an unknown type': ['PATCH', `${maps}/seed`, typed('application/x-patch', '{}')],
  'a URL of 20,000 characters': ['GET', `/api/v1/${'x'.repeat(20_000)}`],
  'a URL of many parts': ['GET', `/api/v1${'/x'.repeat(2_000)}`],
  'a URL with broken escapes': ['GET', '/api/v1/namespaces/%zz/pods'],
  'a URL with escapes that are no UTF-8': ['GET', '/api/v1/namespaces/%ff%fe/pods'],
  'a URL with an escaped slash in a name': ['GET', '/api/v1/namespaces/default/pods/a%2f..%2fb'],
  'a selector that is broken': ['GET', `${pods}?labelSelector=a%20in%20((((`],
  'a selector of 10,000 commas': ['GET', `${pods}?labelSelector=${','.repeat(10_000)}`],
  'a field selector of no field': ['GET', `${pods}?fieldSelector=spec.nobody=1`],
  'a continue token of nobody': ['GET', `${pods}?limit=1&continue=AAAA`],
  'a continue token that is an object': [
    'GET',
    `${pods}?limit=1&continue=${Buffer.from('{"v":"coracle.io/v1","rv":{},"start":[]}').toString('base64url')}`,
  ],
  'a continue token to elsewhere': [
    'GET',
    `${pods}?limit=1&continue=${Buffer.from('{"v":"coracle.io/v1","rv":1e300,"start":"../../secrets/"}').toString('base64url')}`,
  ],
  'a limit that is no number': ['GET', `${pods}?limit=many`],
  'a version that is no number': ['GET', `${pods}?resourceVersion=new`],
  'a watch from a version of letters': ['GET', `${pods}?watch=true&resourceVersion=x`],
  'delete options that are no object': ['DELETE', `${maps}/seed`, typed(json, '[1]')],
  'an exec that is no upgrade': ['POST', `${pods}/x/exec?command=${'a'.repeat(1_000)}`],
  'a method of nobody': ['SEARCH', pods],
  'an impersonation that nobody can read': [
    'GET',
    pods,
    { headers: { 'impersonate-extra-%zz': 'x', 'impersonate-user': 'x' } },
  ],
  'a review of a token of a megabyte': [
    'POST',
    '/apis/authentication.k8s.io/v1/tokenreviews',
    typed(
      json,
      JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token: ['x'] } }),
    ),
  ],
};

/** Hostile, but these may be served; only they may not break anything. */
export const borne: Readonly<Record<string, readonly [method: string, path: string, options?: CallOptions]>> = {
  'a quantity with an exponent of a million': [
    'POST',
    pods,
    typed(json, pod('{"containers":[{"name":"a","image":"b","resources":{"limits":{"memory":"1e1000000"}}}]}')),
  ],
  'a token that is none': ['GET', pods, { headers: { authorization: `Bearer ${'a.'.repeat(5_000)}` } }],
  'keys of the prototype': [
    'POST',
    maps,
    typed(
      json,
      map(
        ',"data":{"__proto__":"a","constructor":"b","toString":"c"},"__proto__":{"x":1},"constructor":{"prototype":{"y":1}}',
        'proto',
      ),
    ),
  ],
  'a merge patch of the prototype': [
    'PATCH',
    `${maps}/seed`,
    typed(
      patches.merge,
      '{"data":{"__proto__":"x","constructor":"y"},"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
    ),
  ],
  'a strategic patch of the prototype': [
    'PATCH',
    `${maps}/seed`,
    typed(patches.strategic, '{"metadata":{"labels":{"__proto__":"x"}},"__proto__":{"polluted":true}}'),
  ],
  'an apply of the prototype': [
    'PATCH',
    `${maps}/applied?fieldManager=x`,
    typed(patches.apply, map(',"data":{"__proto__":"x","constructor":"y"}', 'applied')),
  ],
  'bytes that are no UTF-8': [
    'POST',
    maps,
    typed(
      json,
      Buffer.concat([
        Buffer.from('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"utf"},"data":{"a":"'),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('"}}'),
      ]),
    ),
  ],
  '100,000 keys': [
    'POST',
    maps,
    typed(json, map(`,"data":{${Array.from({ length: 60_000 }, (_, i) => `"k${i}":""`).join(',')}}`, 'keys')),
  ],
  'a selector of 14,000 characters': [
    'GET',
    `${pods}?labelSelector=${Array.from({ length: 1_400 }, (_, i) => `k${i}!=v`).join(',')}`,
  ],
  'an accept header of 10,000 types': ['GET', pods, { headers: { accept: 'a/b;q=0.1,'.repeat(2_000) } }],
  'a strategic merge of 10,000 owners': [
    'PATCH',
    `${maps}/seed?dryRun=All`,
    typed(
      patches.strategic,
      `{"metadata":{"ownerReferences":[${many(10_000, (i) => owner(i).replace('true', 'false'))}],"$setElementOrder/ownerReferences":[${many(10_000, (i) => `{"uid":"${i}"}`)}]}}`,
    ),
  ],
  'a version far ahead': ['GET', `${pods}?resourceVersion=9007199254740991`],
};
