import type { RuntimeDeps } from '../module.ts';
import { FakeEngine } from './engine.ts';
import { FakeRuntime } from './fake.ts';

/** A node of hollow pods that has every image. */
export async function createRuntime({ clock, random }: RuntimeDeps): Promise<FakeRuntime> {
  return new FakeRuntime(new FakeEngine({ clock, random }, { images: 'all' }));
}
