import { tmpdir } from 'node:os';
import { type Mounter, systemMounter } from '../../agent/volumes/mounter.ts';

/**
 * The machine's mounts, of which a test unmounts none but those of its own directory of temporary files: a fault in the code that
 * looks for mounts would otherwise take the machine's own from it, `/proc` among them.
 */
export function guardedMounter(own: () => string): Mounter {
  return {
    ...systemMounter,
    async unmount(path) {
      const dir = own();
      if (!dir.startsWith(`${tmpdir()}/coracle-`) || !path.startsWith(`${dir}/`)) {
        throw new Error(`${path} is not a mount of this test`);
      }
      await systemMounter.unmount(path);
    },
  };
}

/** Takes away all mounts below the test's directory. */
export async function unmountBelow(dir: string): Promise<void> {
  for (const point of await systemMounter.below(dir)) await guardedMounter(() => dir).unmount(point);
}
