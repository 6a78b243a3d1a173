/** What `proto/` says of a message and its fields; generated into `shared/generated/schema.ts`. */
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
  /** In JSON the message's fields stand in the parent itself. */
  readonly inline?: boolean;
  readonly format?: string;
  readonly min?: number;
  readonly max?: number;
  readonly maxLength?: number;
  /** No two items of a `map` list may have the same keys. */
  readonly unique?: boolean;
  /** Zero ("", 0, false) differs from absence; elsewhere a zero that comes as protobuf counts as absent. */
  readonly presence?: boolean;
  /** A message that stands in its parent by value: as Go's protobuf it is always written, at the least empty. */
  readonly embedded?: boolean;
  /** What the fault says when a required field is missing. */
  readonly requiredWhy?: string;
}
