import type { IncomingMessage } from 'node:http';
import { ApiError, isApiError, messageOf } from '../../../../shared/errors.ts';
import type { StatusCause } from '../../../../shared/generated/types.ts';
import { forbidden, invalid, invalidError, notSupported, required, tooLong } from '../../../../shared/schema/causes.ts';
import { checkDepth } from '../../../../shared/schema/depth.ts';
import { duplicateFields } from '../../../../shared/schema/duplicates.ts';
import { readYaml } from '../../../../shared/schema/yaml.ts';
import type { MutateOptions, PatchBody } from '../../api.ts';
import { parseBody, readBody, typeOf } from '../encoding/body.ts';
import { isYaml } from '../encoding/negotiate.ts';

/** The body and options of a write. */
export interface Writing<Body> {
  readonly body: Body;
  readonly options: MutateOptions | undefined;
}

/** The most bytes of a field manager's name. */
const longestManager = 128;

/** The patches by their media types. */
export const patchTypes: Readonly<Record<string, PatchBody['type']>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

/** The body and options of a create or an update. */
export async function readWriting(
  request: IncomingMessage,
  query: URLSearchParams,
  kind: 'CreateOptions' | 'UpdateOptions',
): Promise<Writing<unknown>> {
  const options = writeOptions(query, kind);
  const bytes = await readBody(request);
  const type = request.headers['content-type'];
  const findDuplicates = options?.fieldValidation !== 'Ignore';
  if (isYaml(typeOf(type))) return withDuplicates(yamlOf(bytes), options, findDuplicates);
  const body = parseBody(bytes, type);
  // Protobuf allows a field to occur twice.
  const json = findDuplicates && bytes[0] !== 0x6b;
  return withDuplicates(
    { value: body, duplicates: json ? duplicateFields(bytes.toString('utf8'), body) : [] },
    options,
    findDuplicates,
  );
}

/** The body and options of a patch. Throws UnsupportedMediaType for a media type of no patch. */
export async function readPatch(request: IncomingMessage, query: URLSearchParams): Promise<Writing<PatchBody>> {
  const mediaType = typeOf(request.headers['content-type']);
  const type = Object.hasOwn(patchTypes, mediaType) ? patchTypes[mediaType] : undefined;
  if (!type) throw unknownPatch();
  const options = writeOptions(query, 'PatchOptions', type === 'apply');
  const bytes = await readBody(request);
  checkDepth(bytes.toString('latin1'));
  const findDuplicates = options?.fieldValidation !== 'Ignore';
  if (type === 'apply') {
    const { value, duplicates } = appliedOf(bytes, findDuplicates);
    const read = withDuplicates({ value, duplicates }, options, findDuplicates);
    return { body: { type, body: read.body }, options: read.options };
  }
  const { value, duplicates } = jsonOf(bytes, findDuplicates);
  const named = type === 'json' ? duplicates.map((fault) => `json patch ${fault}`) : duplicates;
  const read = withDuplicates({ value, duplicates: named }, options, findDuplicates);
  return { body: { type, body: read.body }, options: read.options };
}

function withDuplicates(
  { value, duplicates }: { value: unknown; duplicates: readonly string[] },
  options: MutateOptions | undefined,
  findDuplicates: boolean,
): Writing<unknown> {
  return { body: value, options: findDuplicates && duplicates.length > 0 ? { ...options, duplicates } : options };
}

/** YAML. JSON is valid YAML and is parsed faster as JSON; a YAML flow mapping begins like JSON. */
function appliedOf(bytes: Buffer, findDuplicates: boolean): { value: unknown; duplicates: string[] } {
  if (bytes[0] === 0x7b) {
    try {
      return jsonOf(bytes, findDuplicates);
    } catch (error) {
      if (!isApiError(error, 'BadRequest')) throw error;
    }
  }
  return yamlOf(bytes);
}

function jsonOf(bytes: Buffer, findDuplicates: boolean): { value: unknown; duplicates: string[] } {
  const text = bytes.toString('utf8');
  const value = parseBody(bytes, 'application/json');
  return { value, duplicates: findDuplicates ? duplicateFields(text, value) : [] };
}

function yamlOf(bytes: Buffer): { value: unknown; duplicates: string[] } {
  try {
    return readYaml(bytes.toString('utf8'));
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError('BadRequest', `error decoding YAML: ${messageOf(error)}`, {}, { cause: error });
  }
}

/** Undefined without parameters. Throws Invalid with all causes, as Kubernetes does. */
function writeOptions(
  query: URLSearchParams,
  kind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
  apply = false,
): MutateOptions | undefined {
  if (query.size === 0 && !apply) return undefined;
  const causes: StatusCause[] = [];
  const fieldManager = query.get('fieldManager') ?? '';
  const force = query.get('force');
  if (apply && fieldManager === '') causes.push(required('fieldManager', 'is required for apply patch'));
  if (!apply && kind === 'PatchOptions' && force !== null) {
    causes.push(forbidden('force', 'may not be specified for non-apply patch'));
  }
  if (Buffer.byteLength(fieldManager) > longestManager) causes.push(tooLong('fieldManager', longestManager));
  for (const [index, letter] of [...fieldManager].entries()) {
    if (/\p{C}|\p{Z}/u.test(letter) && letter !== ' ') {
      const code = (letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
      causes.push(invalid('fieldManager', fieldManager, `invalid character U+${code} (at position ${index})`));
    }
  }
  const dryRun = query.getAll('dryRun').filter((one) => one !== '');
  if (dryRun.some((one) => one !== 'All')) causes.push(notSupported('dryRun', dryRun, ['All']));
  const validation = query.get('fieldValidation') || 'Warn';
  const isValid = validation === 'Strict' || validation === 'Warn' || validation === 'Ignore';
  if (!isValid) causes.push(notSupported('fieldValidation', validation, ['', 'Ignore', 'Strict', 'Warn']));
  if (causes.length > 0) throw invalidError({ kind, group: 'meta.k8s.io' }, '', causes);
  return {
    dryRun: dryRun.length > 0,
    ...(fieldManager ? { fieldManager } : {}),
    ...(isValid ? { fieldValidation: validation } : {}),
    ...(apply ? { force: force === 'true' || force === '1' || force === '' } : {}),
  };
}

function unknownPatch(): ApiError {
  const types = Object.keys(patchTypes).join(', ');
  return new ApiError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${types}`,
  );
}
