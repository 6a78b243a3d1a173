import protobuf from 'protobufjs/minimal.js';

/**
 * A Swagger document as protobuf, for client-go's discovery: the messages of google/gnostic, `openapiv2/OpenAPIv2.proto`, that these
 * documents use. Maps are lists of named values there, and values of any type are YAML, which includes JSON.
 */
export function encodeSwagger(document: object): Uint8Array {
  const writer = protobuf.Writer.create();
  write(writer, 'Document', document as Json);
  return writer.finish();
}

type Json = Readonly<Record<string, unknown>>;

/** The encoding of a JSON value: a scalar, an Any, a list of what follows, or a message. */
type Shape = 'string' | 'bool' | 'any' | readonly ['list', Shape] | { readonly [K in 'message' | 'custom']?: string };

const message = (name: string): Shape => ({ message: name });
const custom = (name: string): Shape => ({ custom: name });
const list = (shape: Shape): Shape => ['list', shape];

/** The fields of each message: JSON name → number and shape. All `x-…` go to one field. */
const fields: Readonly<Record<string, Readonly<Record<string, readonly [number: number, shape: Shape]>>>> = {
  Document: {
    swagger: [1, 'string'],
    info: [2, message('Info')],
    paths: [8, custom('paths')],
    definitions: [9, custom('schemas')],
  },
  Info: { title: [1, 'string'], version: [2, 'string'] },
  PathItem: {
    get: [2, message('Operation')],
    put: [3, message('Operation')],
    post: [4, message('Operation')],
    delete: [5, message('Operation')],
    patch: [8, message('Operation')],
    parameters: [9, list(custom('parameter'))],
  },
  Operation: {
    tags: [1, list('string')],
    description: [3, 'string'],
    operationId: [5, 'string'],
    produces: [6, list('string')],
    consumes: [7, list('string')],
    parameters: [8, list(custom('parameter'))],
    responses: [9, custom('responses')],
    'x-': [13, 'any'],
  },
  BodyParameter: {
    description: [1, 'string'],
    name: [2, 'string'],
    in: [3, 'string'],
    required: [4, 'bool'],
    schema: [5, message('Schema')],
  },
  QueryParameter: {
    required: [1, 'bool'],
    in: [2, 'string'],
    description: [3, 'string'],
    name: [4, 'string'],
    type: [6, 'string'],
    uniqueItems: [20, 'bool'],
  },
  PathParameter: {
    required: [1, 'bool'],
    in: [2, 'string'],
    description: [3, 'string'],
    name: [4, 'string'],
    type: [5, 'string'],
    uniqueItems: [19, 'bool'],
  },
  Response: { description: [1, 'string'], schema: [2, custom('one')] },
  Schema: {
    $ref: [1, 'string'],
    format: [2, 'string'],
    description: [4, 'string'],
    default: [5, 'any'],
    required: [19, list('string')],
    enum: [20, list('any')],
    additionalProperties: [21, custom('one')],
    type: [22, custom('one text')],
    items: [23, custom('one')],
    properties: [25, custom('schemas')],
    'x-': [31, 'any'],
  },
};

/** Wrapper messages, which JSON does not have. */
const customs: Readonly<Record<string, (writer: protobuf.Writer, value: unknown) => void>> = {
  // Their only field holds the schema, or the text: SchemaItem, AdditionalPropertiesItem, ItemsItem, TypeItem.
  one: (writer, value) => writeField(writer, 1, message('Schema'), value),
  'one text': (writer, value) => writeField(writer, 1, 'string', value),
  schemas: (writer, value) => writeNamed(writer, 1, value, message('Schema')),
  paths: (writer, value) => writeNamed(writer, 2, value, message('PathItem')),
  responses: (writer, value) => writeNamed(writer, 1, value, custom('response value')),
  'response value': (writer, value) => writeField(writer, 1, message('Response'), value),
  parameter: (writer, value) => writeField(writer, 1, custom('parameter kind'), value),
  'parameter kind': (writer, value) =>
    (value as Json).in === 'body'
      ? writeField(writer, 1, message('BodyParameter'), value)
      : writeField(writer, 2, custom('non-body parameter'), value),
  'non-body parameter': (writer, value) =>
    (value as Json).in === 'path'
      ? writeField(writer, 4, message('PathParameter'), value)
      : writeField(writer, 3, message('QueryParameter'), value),
};

function write(writer: protobuf.Writer, name: string, value: Json): void {
  const numbers = fields[name] ?? {};
  for (const [key, one] of Object.entries(value)) {
    const field = numbers[key];
    const extension = numbers['x-'];
    if (field) writeField(writer, field[0], field[1], one);
    else if (key.startsWith('x-') && extension) writeNamed(writer, extension[0], { [key]: one }, extension[1]);
  }
}

function writeField(writer: protobuf.Writer, number: number, shape: Shape, value: unknown): void {
  if (Array.isArray(shape)) {
    for (const item of value as readonly unknown[]) writeField(writer, number, shape[1], item);
  } else if (shape === 'bool') {
    writer.uint32(number << 3).bool(value === true);
  } else {
    writer.uint32((number << 3) | 2);
    if (shape === 'string') {
      writer.string(String(value));
      return;
    }
    writer.fork();
    if (shape === 'any') writer.uint32((2 << 3) | 2).string(JSON.stringify(value));
    else if ('message' in shape && shape.message) write(writer, shape.message, value as Json);
    else if ('custom' in shape && shape.custom) customs[shape.custom]?.(writer, value);
    writer.ldelim();
  }
}

/** A map as messages of a name (1) and a value (2). */
function writeNamed(writer: protobuf.Writer, number: number, value: unknown, shape: Shape): void {
  for (const [name, one] of Object.entries(value as Json)) {
    writer
      .uint32((number << 3) | 2)
      .fork()
      .uint32((1 << 3) | 2)
      .string(name);
    writeField(writer, 2, shape, one);
    writer.ldelim();
  }
}
