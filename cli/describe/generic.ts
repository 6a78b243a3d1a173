import type { KubeObject } from '../../shared/object.ts';
import { type Line, line } from './section.ts';

/** Below that the names say more than the values. */
const maxDepth = 12;

/** Words that are written in capitals wherever they stand. */
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

/** What an object says besides its metadata, whatever its kind: every field under its name in words, as deep as it goes. */
export function genericLines(object: KubeObject): Line[] {
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...rest } = object;
  return fieldLines(rest, 0);
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

/** `IPs` keeps its small s. */
function upper(word: string): string {
  const lower = word.toLowerCase();
  return capitals.has(lower.slice(0, -1)) && lower.endsWith('s')
    ? `${lower.slice(0, -1).toUpperCase()}s`
    : word.toUpperCase();
}

function fieldLines(fields: object, depth: number): Line[] {
  return Object.entries(fields).map(([name, value]) => valueLine(inWords(name), value, depth));
}

function valueLine(label: string, value: unknown, depth: number): Line {
  if (Array.isArray(value)) return listLine(label, value, depth);
  if (typeof value !== 'object' || value === null) return textLine(label, value);
  const entries = Object.entries(value);
  if (entries.length === 0) return line(label, undefined);
  if (depth >= maxDepth) return line(label, JSON.stringify(value));
  // The keys of a map (labels, data, resources) are names that somebody gave, and not to be put into words.
  if (entries.every(([, each]) => typeof each !== 'object')) {
    const named = entries.every(([key]) => /^[a-z]+([A-Z][a-z0-9]*)+$|^[a-z]+$/.test(key));
    return { label, under: entries.map(([key, each]) => textLine(named ? inWords(key) : key, each)) };
  }
  return { label, under: fieldLines(value, depth + 1) };
}

/** Objects one after the other, each under its name where it has one; plain values one a line. */
function listLine(label: string, items: readonly unknown[], depth: number): Line {
  if (items.length === 0) return line(label, undefined);
  if (items.every((item) => typeof item !== 'object' || item === null)) {
    return { label, value: items.map(String) };
  }
  return {
    label,
    under: items.map((item, index) => {
      if (typeof item !== 'object' || item === null) return textLine(String(index + 1), item);
      const { name, ...rest } = item as { name?: unknown };
      const heading = typeof name === 'string' && name !== '' ? name : String(index + 1);
      return valueLine(heading, typeof name === 'string' ? rest : item, depth + 1);
    }),
  };
}

/** A text of many lines stands in its own column. */
function textLine(label: string, value: unknown): Line {
  const text = value === undefined || value === null || value === '' ? '<none>' : String(value);
  const lines = text.trimEnd().split('\n');
  return { label, value: lines.length === 1 ? text : lines };
}
