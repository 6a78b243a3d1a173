import { messages } from '../../shared/generated/schema.ts';
import type { KubeObject } from '../../shared/object.ts';
import type { FieldSchema } from '../../shared/schema/proto/message.ts';
import { type Line, line } from './section.ts';

/** Levels that are shown. */
const maxDepth = 12;

/** Messages without fixed fields. */
const freeForm: ReadonlySet<string> = new Set([
  'k8s.io.apimachinery.pkg.runtime.RawExtension',
  'k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1',
]);

/** Words that are written in capitals. */
const capitals: ReadonlySet<string> = new Set([
  'api',
  'cidr',
  'cidrs',
  'cpu',
  'csi',
  'dns',
  'fs',
  'gid',
  'http',
  'id',
  'ip',
  'ips',
  'ipc',
  'nfs',
  'os',
  'pid',
  'se',
  'tcp',
  'tls',
  'ttl',
  'uid',
  'uri',
  'url',
  'urls',
]);

/**
 * All fields of an object of any kind but its metadata, each under its name in words. `message`: the object's type, by which field names differ
 * from map keys, which are shown as they are.
 */
export function genericLines(object: KubeObject, message: string): Line[] {
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...rest } = object;
  return fieldLines(rest, message, 0);
}

/** `holderIdentity` is `Holder Identity`, `clusterIPs` is `Cluster IPs`. */
export function inWords(name: string): string {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z]{2,})/g, '$1 $2')
    .split(' ');
  return words
    .map((word) => (capitals.has(word.toLowerCase()) ? upper(word) : `${word.charAt(0).toUpperCase()}${word.slice(1)}`))
    .join(' ');
}

/** `ips` becomes `IPs`. */
function upper(word: string): string {
  const lower = word.toLowerCase();
  return capitals.has(lower.slice(0, -1)) && lower.endsWith('s')
    ? `${lower.slice(0, -1).toUpperCase()}s`
    : word.toUpperCase();
}

/** `message` undefined: the value has no type, and its keys are shown as they are. */
function fieldLines(fields: object, message: string | undefined, depth: number): Line[] {
  const known = message === undefined ? undefined : fieldsOf(message);
  return Object.entries(fields).map(([name, value]) => {
    const field = known?.get(name);
    const label = known ? inWords(name) : name;
    const type = field && !freeForm.has(field.type) ? field.type : undefined;
    if (field?.map) return mapLine(label, value as object, type, depth);
    return valueLine(label, value, type, depth);
  });
}

/** The fields of a message, including those of inline messages. */
function fieldsOf(message: string): Map<string, FieldSchema> {
  const fields = Object.entries(messages[message]?.fields ?? {});
  return new Map(
    fields.flatMap(([name, field]) =>
      field.inline ? [...fieldsOf(field.type)] : [[name, field] as [string, FieldSchema]],
    ),
  );
}

function mapLine(label: string, values: object, type: string | undefined, depth: number): Line {
  const entries = Object.entries(values);
  if (entries.length === 0) return line(label, undefined);
  return { label, under: entries.map(([key, value]) => valueLine(key, value, type, depth + 1)) };
}

function valueLine(label: string, value: unknown, type: string | undefined, depth: number): Line {
  if (Array.isArray(value)) return listLine(label, value, type, depth);
  if (typeof value !== 'object' || value === null) return textLine(label, value);
  if (Object.keys(value).length === 0) return line(label, undefined);
  if (depth >= maxDepth) return line(label, JSON.stringify(value));
  return { label, under: fieldLines(value, type, depth + 1) };
}

/** Objects under their names, where they have one; plain values one on each line. */
function listLine(label: string, items: readonly unknown[], type: string | undefined, depth: number): Line {
  if (items.length === 0) return line(label, undefined);
  if (items.every((item) => typeof item !== 'object' || item === null)) {
    return { label, value: items.map(String) };
  }
  return {
    label,
    under: items.map((item, index) => {
      if (typeof item !== 'object' || item === null) return textLine(String(index + 1), item);
      const { name, ...rest } = item as { name?: unknown };
      const named = typeof name === 'string' && name !== '';
      return valueLine(named ? name : String(index + 1), named ? rest : item, type, depth + 1);
    }),
  };
}

/** The lines of a multi-line text. */
function textLine(label: string, value: unknown): Line {
  const text = value === undefined || value === null || value === '' ? '<none>' : String(value);
  const lines = text.trimEnd().split('\n');
  return { label, value: lines.length === 1 ? text : lines };
}
