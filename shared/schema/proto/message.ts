/** A message and its fields with their options in `proto/`; generated into `shared/generated/schema.ts`. */
export interface MessageSchema {
  readonly description?: string;
  readonly fields: Readonly<Record<string, FieldSchema>>;
}

export interface FieldSchema {
  readonly number: number;
  /** A protobuf scalar (`string`, `bool`, `int32`, `int64`, `bytes`, `double`) or a message's full name. */
  readonly type: string;
  /** A list of `type`. */
  readonly repeated?: boolean;
  /** A map from string to `type`. */
  readonly map?: boolean;
  readonly description?: string;
  readonly required?: boolean;
  readonly serverSet?: boolean;
  readonly default?: unknown;
  readonly immutable?: boolean;
  readonly enum?: readonly string[];
  readonly listType?: 'atomic' | 'set' | 'map' | 'granular';
  readonly listMapKey?: readonly string[];
  readonly patchMergeKey?: string;
  readonly patchStrategy?: readonly string[];
  /** In JSON the message's fields are fields of the parent. */
  readonly inline?: boolean;
  readonly format?: string;
  readonly min?: number;
  readonly max?: number;
  readonly maxLength?: number;
  /** No two items of a `map` list may have the same keys. */
  readonly unique?: boolean;
  /** Zero ("", 0, false) differs from absent; elsewhere a zero in protobuf counts as absent. */
  readonly presence?: boolean;
  /** A struct by value in Go: its protobuf is always written, if empty too. */
  readonly embedded?: boolean;
  /** The message of the fault when a required field is missing. */
  readonly requiredWhy?: string;
}
