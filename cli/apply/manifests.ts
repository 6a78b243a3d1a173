import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Document, parseAllDocuments } from 'yaml';
import { messageOf } from '../../shared/errors.ts';
import { builtinKinds } from '../../shared/kinds/index.ts';
import type { KindDef } from '../../shared/kinds/kind.ts';
import type { KubeObject } from '../../shared/object.ts';
import { checkYamlNumbers } from '../../shared/schema/yaml-numbers.ts';
import { type Io, readUserFile, UsageError } from '../io.ts';

/** One object of a manifest file. */
export interface Manifest {
  readonly def: KindDef;
  readonly object: KubeObject;
  /** The file, for messages. */
  readonly source: string;
}

/** The objects of files, of the YAML and JSON files of directories, and of the standard input (`-`), in order. */
export async function readManifests(paths: readonly string[], recursive: boolean, io: Io): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  for (const path of paths) {
    if (path === '-') manifests.push(...parseManifests(await io.stdin(), 'standard input'));
    else for (const file of filesOf(path, recursive)) manifests.push(...parseManifests(readUserFile(file), file));
  }
  if (manifests.length === 0) throw new UsageError(`no objects in ${paths.join(', ')}`);
  return manifests;
}

/**
 * The objects of a text of one or many YAML or JSON documents; `List`s are expanded. Each object is validated as by
 * the server. Unknown fields are refused here, since gRPC would drop them.
 */
export function parseManifests(text: string, source: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [fault] = document.errors;
    if (fault) throw new UsageError(`${source}: ${fault.message.split('\n')[0]}`);
    checkNumbers(document, text, source);
    const value = document.toJS() as unknown;
    return value === null || value === undefined ? [] : objectsIn(value, source);
  });
}

function checkNumbers(document: Document, text: string, source: string): void {
  try {
    checkYamlNumbers(document, text);
  } catch (error) {
    throw new UsageError(`${source}: ${messageOf(error)}`);
  }
}

function objectsIn(value: unknown, source: string): Manifest[] {
  const { apiVersion, kind, metadata, items } = value as Partial<KubeObject> & { items?: unknown };
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    throw new UsageError(`${source}: a document has no apiVersion and kind`);
  }
  if (Array.isArray(items) && kind.endsWith('List')) return items.flatMap((item) => objectsIn(item, source));
  const def = builtinKinds.ofObject(apiVersion, kind);
  if (!def) throw new UsageError(`${source}: no matches for kind "${kind}" in version "${apiVersion}"`);
  if (!metadata?.name && !metadata?.generateName) throw new UsageError(`${source}: a ${kind} has no metadata.name`);
  try {
    return [{ def, object: def.schema.decode(value, { validation: 'Strict' }).object, source }];
  } catch (error) {
    throw new UsageError(`${source}: ${messageOf(error)}`);
  }
}

function filesOf(path: string, recursive: boolean): string[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new UsageError(`there is no ${path}`);
  if (!stat.isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      if (entry.isDirectory()) return recursive ? filesOf(join(path, entry.name), true) : [];
      return /\.(ya?ml|json)$/.test(entry.name) ? [join(path, entry.name)] : [];
    });
}
