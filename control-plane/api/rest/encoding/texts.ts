import { stringify as toYaml } from 'yaml';
import type { KubeObject } from '../../../../shared/object.ts';
import { packedJson } from '../../../store/cache/packed.ts';
import type { Encoding } from './negotiate.ts';
import { encodeProtobuf } from './protobuf.ts';

/**
 * Objects longer than this (characters of JSON) become flow YAML, which is JSON: block style takes up to 50 µs a value, which would
 * block other requests.
 */
const flowFrom = 16 * 1024;

export type Chunk = string | Uint8Array;

/** Encodes any answer but a list. Throws NotAcceptable when it has no protobuf. */
export function encoded(object: object, encoding: Encoding, pretty = false): Chunk {
  switch (encoding) {
    case 'protobuf':
      return encodeProtobuf(object);
    case 'yaml':
      return yamlText(object, jsonText(object));
    case 'json':
      if (pretty) return `${JSON.stringify(object, null, 2)}\n`;
      return joined([...jsonParts(object), '\n']);
  }
}

/** The JSON of an object; of a packed object the stored bytes. */
export function jsonParts(object: object): readonly Chunk[] {
  return packedJson(object as KubeObject) ?? [JSON.stringify(object)];
}

export function jsonText(object: object): string {
  const [first = '', ...rest] = jsonParts(object);
  return typeof first === 'string' ? first : Buffer.concat([first, ...(rest as Uint8Array[])]).toString();
}

/** `json`: the JSON of the same object. The result ends with a line break. */
export function yamlText(object: object, json: string): string {
  if (json.length <= flowFrom) return toYaml(object, { aliasDuplicateObjects: false });
  return `${flowOf(json)}\n`;
}

/** JSON is valid YAML but for characters that YAML forbids or reads as line breaks. */
function flowOf(json: string): string {
  return json.replace(/[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g, (letter) => {
    return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Joins chunks: to text if all of them are text. */
export function joined(chunks: readonly Chunk[]): Chunk {
  const [first = ''] = chunks;
  if (chunks.length === 1) return first;
  if (chunks.every((chunk) => typeof chunk === 'string')) return chunks.join('');
  return Buffer.concat(chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)));
}
