import type { StatusCause } from '../../shared/generated/types.ts';
import { ageColumn, nameColumn } from '../../shared/kinds/columns/columns.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import type { KindDef } from '../../shared/kinds/kind.ts';
import type { KubeObject } from '../../shared/object.ts';
import { invalid } from '../../shared/schema/causes.ts';
import type { Decoded, DecodeOptions, ObjectSchema } from '../../shared/schema/object-schema.ts';
import { ownedShape, type Shape, type Struct, type StructField, structOf } from '../../shared/schema/shape.ts';

export interface Widget extends KubeObject {
  spec: { size: number; parts?: { name: string; weight?: number }[] };
}

const field = (name: string, shape: Shape): StructField => ({ name, element: `f:${name}`, shape });
const leaf = (of: 'string' | 'number'): Shape => ({ type: 'leaf', of });

/** The schema of a kind that has no protobuf message. Its metadata is that of a built-in kind. */
class WidgetSchema implements ObjectSchema {
  readonly #metadata = kindNamed('ConfigMap').schema;
  readonly shape: Struct = structOf([
    field('apiVersion', leaf('string')),
    field('kind', leaf('string')),
    field('metadata', this.#metadata.shape.byName.get('metadata')?.shape ?? { type: 'leaf' }),
    field(
      'spec',
      structOf([
        field('size', leaf('number')),
        field('parts', {
          type: 'list',
          keys: [{ name: 'name', default: undefined }],
          item: structOf([field('name', leaf('string')), field('weight', leaf('number'))]),
        }),
      ]),
    ),
  ]);
  readonly ownedShape = ownedShape(this.shape);

  decode(value: unknown, options?: DecodeOptions): Decoded<KubeObject> {
    const { spec, apiVersion: _version, kind: _kind, ...rest } = value as Widget;
    const { object, warnings } = this.#metadata.decode(rest, options);
    const head = { apiVersion: 'example.com/v1', kind: 'Widget', metadata: object.metadata };
    return { object: { ...head, spec: structuredClone(spec) } as KubeObject, warnings };
  }

  applyDefaults(object: object): void {
    const { spec } = object as Widget;
    spec.size ??= 1;
  }

  validate(object: object): StatusCause[] {
    const { size } = (object as Widget).spec;
    return size < 0 ? [invalid('spec.size', size, 'must be greater than or equal to 0')] : [];
  }

  validateImmutable(): StatusCause[] {
    return [];
  }

  openApi(): object {
    const spec = { type: 'object', properties: { size: { type: 'integer' } } };
    return { type: 'object', description: 'A thing of parts.', properties: { spec } };
  }
}

/** A kind that is added while a server runs. */
export function widgetKind(): KindDef {
  const def = {
    id: 'Widget.example.com' as const,
    kind: 'Widget',
    typeName: 'Widget',
    group: 'example.com',
    version: 'v1',
    plural: 'widgets',
    singular: 'widget',
    shortNames: ['wd'],
    namespaced: true,
    message: 'com.example.v1.Widget',
    categories: [],
    subresources: [],
    selectableFields: [],
    secondVersion: false,
    schema: new WidgetSchema(),
    strategy: { generation: 'spec' as const },
    columns: [nameColumn, ageColumn],
  };
  return Object.assign(def, { stored: def as unknown as KindDef });
}
