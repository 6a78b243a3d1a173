import { ApiError } from '../../../../shared/errors.ts';
import { isTrue } from '../../../../shared/text.ts';

/** The negotiated form of an answer. */
export interface Format {
  readonly encoding: Encoding;
  /** The representation instead of the object itself (`as=` of the media type). */
  readonly as?: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
  /** The version of meta.k8s.io that `as` has: v1 when absent. */
  readonly version?: 'v1beta1';
  /** The media type asks for indentation. */
  readonly pretty?: true;
}

export type Encoding = 'json' | 'yaml' | 'protobuf';

export interface MediaType {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export const protobufType = 'application/vnd.kubernetes.protobuf';

const plain: Format = { encoding: 'json' };
const yamlTypes = ['application/yaml', 'application/x-yaml', 'text/yaml'];
const accepted = ['application/json', 'application/yaml', protobufType];

/** The media types of the encodings. */
export const contentTypes: Readonly<Record<Encoding, string>> = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: protobufType,
};

/** The client's first media type that can be served. `table`: the resource has a Table. Throws NotAcceptable when there is none. */
export function formatFor(accept: string | undefined, table = true): Format {
  if (!accept || accept === 'application/json' || accept === '*/*') return plain;
  if (accept === protobufType) return { encoding: 'protobuf' };
  for (const { type, parameters } of inPreference(mediaTypes(accept))) {
    const encoding = encodingOf(type);
    if (!encoding) continue;
    const pretty = parameters.pretty === '1' ? ({ pretty: true } as const) : {};
    if (parameters.stream && parameters.stream !== 'watch') continue;
    const { as, g = '', v = '' } = parameters;
    if (as === undefined && g === '' && v === '') return { encoding, ...pretty };
    if (g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1')) continue;
    // A Table has no protobuf.
    if (as === 'Table' && (!table || encoding === 'protobuf')) continue;
    const version = v === 'v1beta1' ? ({ version: v } as const) : {};
    if (as === 'Table' || as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') {
      return { encoding, as, ...version, ...pretty };
    }
  }
  throw notAcceptable();
}

export function notAcceptable(types: readonly string[] = accepted): ApiError {
  return new ApiError('NotAcceptable', `only the following media types are accepted: ${types.join(', ')}`);
}

/** Whether text is indented: by the parameter, else for interactive programs (apiserver, `isPrettyPrint`). */
export function isPretty(query: URLSearchParams, userAgent: string | undefined): boolean {
  const pretty = query.size > 0 ? query.get('pretty') : null;
  if (pretty) return isTrue(pretty);
  return userAgent !== undefined && /^(?:curl|Wget|Mozilla\/5\.0)/.test(userAgent);
}

/** The parts of an Accept or Content-Type header, in their order. */
export function mediaTypes(header: string): MediaType[] {
  return header
    .slice(0, 4096)
    .split(',')
    .map((part) => {
      const [type = '', ...rest] = part.split(';').map((word) => word.trim());
      const pairs = rest.map((pair) => pair.split('='));
      return {
        type: type.toLowerCase(),
        parameters: Object.fromEntries(pairs.map(([name = '', value = '']) => [name, value])),
      };
    });
}

/** Sorts by quality, then named types before wildcards. A quality of 0 excludes a type. */
function inPreference(types: readonly MediaType[]): MediaType[] {
  const quality = ({ parameters: { q } }: MediaType): number => (q === undefined ? 1 : Number(q) || 0);
  const stars = ({ type }: MediaType): number => type.split('*').length;
  return types.filter((type) => quality(type) > 0).sort((a, b) => quality(b) - quality(a) || stars(a) - stars(b));
}

export function isYaml(type: string): boolean {
  return yamlTypes.includes(type);
}

function encodingOf(type: string): Encoding | undefined {
  if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'json';
  if (type === protobufType) return 'protobuf';
  return isYaml(type) ? 'yaml' : undefined;
}
