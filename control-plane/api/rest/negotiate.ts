import { ApiError } from '../../../shared/errors.ts';

/** How an answer is to be written. */
export interface Format {
  readonly encoding: 'json' | 'yaml';
  /** What stands for the object itself (`as=` of the media type). */
  readonly as?: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
}

export interface MediaType {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const plain: Format = { encoding: 'json' };
const yamlTypes = ['application/yaml', 'application/x-yaml', 'text/yaml'];

/** The first of the client's wishes that can be met. Throws NotAcceptable when none can. */
export function formatFor(accept: string | undefined): Format {
  if (!accept || accept === 'application/json' || accept === '*/*') return plain;
  for (const { type, parameters } of mediaTypes(accept)) {
    const encoding = encodingOf(type);
    if (!encoding) continue;
    const { as, g = 'meta.k8s.io', v = 'v1' } = parameters;
    if (as === undefined) return { encoding };
    if (g !== 'meta.k8s.io' || v !== 'v1') continue;
    if (as === 'Table' || as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { encoding, as };
  }
  throw new ApiError(
    'NotAcceptable',
    'only the following media types are accepted: application/json, application/yaml',
  );
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

export function isYaml(type: string): boolean {
  return yamlTypes.includes(type);
}

function encodingOf(type: string): Format['encoding'] | undefined {
  if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'json';
  return isYaml(type) ? 'yaml' : undefined;
}
