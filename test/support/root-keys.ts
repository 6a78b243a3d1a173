import { newSecretKey, type SecretKey } from '../../control-plane/store/encryption/cipher.ts';
import type { RootKeys } from '../../control-plane/store/encryption/index.ts';
import { systemRandom } from '../../shared/random.ts';

/** Root keys in memory. */
export function testRoots(): RootKeys & { readonly keys: SecretKey[] } {
  const keys: SecretKey[] = [];
  return {
    keys,
    place: 'memory',
    all: async () => [...keys],
    async add() {
      keys.push(newSecretKey(systemRandom));
    },
  };
}
