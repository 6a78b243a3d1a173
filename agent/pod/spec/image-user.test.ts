import { describe, expect, it } from 'vitest';
import type { PodSecurityContext } from '../../../shared/generated/types.ts';
import { seededRandom } from '../../../shared/random.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { container, makePod } from '../../../test/support/hollow-agent.ts';
import { FakeEngine } from '../../runtime/fake/engine.ts';
import { FakeRuntime } from '../../runtime/fake/fake.ts';
import { resolveRunAs } from './image-user.ts';

/** A runtime whose only image runs as `user`, and which remembers what it was asked of images. */
class Looking extends FakeRuntime {
  readonly asked: string[] = [];
  readonly #user: string | undefined;

  constructor(user?: string) {
    super(new FakeEngine({ clock: new VirtualClock(), random: seededRandom(1) }));
    this.#user = user;
  }

  override async imageStatus(image: string) {
    this.asked.push(`status ${image}`);
    return image === 'example/app:1' ? { id: 'sha256:1', names: [image], sizeBytes: 1, user: this.#user } : undefined;
  }

  override async imageAccounts(image: string) {
    this.asked.push(`accounts ${image}`);
    return { passwd: 'app:x:7:8::/:\n', group: 'app:x:8:\nmedia:x:9:app\n' };
  }
}

const look = (runtime: FakeRuntime, securityContext: PodSecurityContext, image?: string) => {
  const spec = container('app', image === undefined ? {} : { image });
  return resolveRunAs(runtime, makePod('web', { securityContext }), spec, new AbortController().signal);
};

describe('who a container runs as', () => {
  it('is not asked of the image where the pod says it, or nothing', async () => {
    const runtime = new Looking('app');
    expect(await look(runtime, {})).toEqual({ runAs: { supplementalGroups: [] } });
    expect(await look(runtime, { runAsUser: 5, runAsNonRoot: true })).toEqual({
      runAs: { user: '5', supplementalGroups: [] },
    });
    await expect(look(runtime, { runAsUser: 0, runAsNonRoot: true })).rejects.toThrow('breaks non-root policy');
    expect(runtime.asked).toEqual([]);
  });

  it('is checked against the image where the container must not be root, and that very image is started', async () => {
    const runtime = new Looking('5');
    expect(await look(runtime, { runAsNonRoot: true })).toEqual({
      runAs: { supplementalGroups: [] },
      imageId: 'sha256:1',
    });
    expect(runtime.asked).toEqual(['status example/app:1']);
    for (const root of [new Looking('0'), new Looking()]) {
      await expect(look(root, { runAsNonRoot: true })).rejects.toThrow('image will run as root');
    }
  });

  it('is read from the account files of the very image whose user was read', async () => {
    const runtime = new Looking('app');
    expect(await look(runtime, { runAsGroup: 3 })).toEqual({
      runAs: { user: '7:3', supplementalGroups: [9] },
      imageId: 'sha256:1',
    });
    expect(runtime.asked).toEqual(['status example/app:1', 'accounts sha256:1']);
    const root = new Looking('0');
    await expect(look(root, { runAsGroup: 3, runAsNonRoot: true })).rejects.toThrow('image will run as root');
    expect(root.asked).toEqual(['status example/app:1']);
  });

  it('asks for the image anew when it is gone', async () => {
    await expect(look(new Looking('app'), { runAsGroup: 3 }, 'gone:1')).rejects.toMatchObject({
      code: 'ImageNotFound',
      message: 'no such image: gone:1',
    });
  });
});
