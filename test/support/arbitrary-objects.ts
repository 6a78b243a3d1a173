import fc from 'fast-check';
import { messages } from '../../shared/generated/schema.ts';
import { formatGoDuration } from '../../shared/go-duration.ts';
import { apiVersionOf } from '../../shared/kinds/index.ts';
import type { KindEntry } from '../../shared/kinds/table.ts';
import type { KubeObject } from '../../shared/object.ts';
import { canonicalQuantity } from '../../shared/quantity.ts';
import type { FieldSchema } from '../../shared/schema/proto/message.ts';

/**
 * Objects of a kind with any of its fields, each of the right type and in the form in which the API stores it; the
 * values themselves need not make sense. Lists and maps are never empty, nor is anything zero that would say the same as
 * its absence.
 */
export function arbitraryObject(entry: KindEntry): fc.Arbitrary<KubeObject> {
  return arbitraryMessage(entry.message, 0).map(
    (object) =>
      ({ apiVersion: apiVersionOf(entry), kind: entry.kind, metadata: {}, ...object }) as unknown as KubeObject,
  );
}

const meta = 'k8s.io.apimachinery.pkg.apis.meta.v1';
/** From year 1970 to 9999; the very first second stands for no time. */
const seconds = fc.integer({ min: 1, max: 253_402_300_799 });

const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  string: fc.oneof(fc.string(), fc.string({ unit: 'binary' })),
  bool: fc.boolean(),
  int32: fc.integer(),
  int64: fc.maxSafeInteger(),
  double: fc.double({ noNaN: true, noDefaultInfinity: true }),
  bytes: fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64')),
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': fc.oneof(fc.integer(), fc.string()),
  'k8s.io.apimachinery.pkg.api.resource.Quantity': fc
    .tuple(fc.integer({ min: 0, max: 1_000_000 }), fc.constantFrom('', 'm', 'k', 'Ki', 'Mi', 'Gi', 'e3'))
    .map(([amount, suffix]) => canonicalQuantity(`${amount}${suffix}`)),
  [`${meta}.Time`]: seconds.map((at) => new Date(at * 1000).toISOString().replace('.000Z', 'Z')),
  [`${meta}.MicroTime`]: fc
    .tuple(seconds, fc.integer({ min: 0, max: 999_999 }))
    .map(([at, micros]) => new Date(at * 1000).toISOString().replace('.000Z', `.${String(micros).padStart(6, '0')}Z`)),
  [`${meta}.Duration`]: fc.integer({ min: -1_000_000_000_000_000, max: 1_000_000_000_000_000 }).map(formatGoDuration),
  [`${meta}.FieldsV1`]: fc.dictionary(fc.string(), fc.constant({})),
  'k8s.io.api.authentication.v1.ExtraValue': fc.array(fc.string(), { minLength: 1, maxLength: 3 }),
  // As it comes out of JSON, which has no -0.
  'k8s.io.apimachinery.pkg.runtime.RawExtension': fc
    .dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true })
    .map((value) => JSON.parse(JSON.stringify(value))),
};

function arbitraryMessage(name: string, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const fields: Array<[string, FieldSchema]> = Object.entries(messages[name]?.fields ?? {}).flatMap(
    ([field, schema]) =>
      schema.inline ? Object.entries(messages[schema.type]?.fields ?? {}) : [[field, schema] as [string, FieldSchema]],
  );
  // A few fields at a time: all of them at once would be objects of megabytes.
  return fc
    .subarray(fields, { maxLength: depth === 0 ? fields.length : Math.min(fields.length, 6) })
    .chain((chosen) =>
      fc.record(Object.fromEntries(chosen.map(([field, schema]) => [field, arbitraryField(schema, depth)]))),
    );
}

function arbitraryField(schema: FieldSchema, depth: number): fc.Arbitrary<unknown> {
  // An empty text is no choice: it is read as none, and the default takes its place.
  const one = schema.enum
    ? fc.constantFrom(...schema.enum.filter((choice) => choice !== ''))
    : (values[schema.type] ?? arbitraryMessage(schema.type, depth + 1));
  if (schema.repeated) return fc.array(one, { minLength: 1, maxLength: 3 });
  if (schema.map) return fc.dictionary(fc.string(), one, { minKeys: 1, maxKeys: 3, noNullPrototype: true });
  // As protobuf, a zero without a rule for its presence is absent.
  const distinct = schema.presence || schema.required;
  return distinct ? one : one.filter((value) => value !== '' && value !== false && value !== 0);
}
