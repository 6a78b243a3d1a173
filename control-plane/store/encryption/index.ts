import { kindNamed } from '../../../shared/kinds/index.ts';
import { kindPrefix } from '../keys.ts';

export { EncryptedStore, type EncryptionDeps } from './encrypted-store.ts';
export { type RootKeys, rootKeysIn } from './root-keys.ts';

/** The prefixes of kinds whose values are encrypted. */
export const sealedPrefixes: readonly string[] = (['Secret', 'JoinToken'] as const).map((kind) =>
  kindPrefix(kindNamed(kind)),
);
