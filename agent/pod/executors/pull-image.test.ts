import { describe, expect, it } from 'vitest';
import { container, makePod } from '../../../test/support/hollow-agent.ts';
import { configMap } from '../../../test/support/pod-inputs.ts';
import { StepScene } from '../../../test/support/pod-step.ts';
import type { RegistryAuth } from '../../runtime/runtime.ts';

const image = 'registry.example/app:1';

function sceneOf(policy: string | undefined, name = image, images: string[] = []): StepScene {
  const scene = new StepScene({ images, pullMs: 1_250 });
  scene.pod = makePod('web', {
    containers: [container('app', { image: name, ...(policy ? { imagePullPolicy: policy } : {}) } as never)],
  });
  return scene;
}

async function pull(scene: StepScene): Promise<void> {
  const done = scene.run('pullImage', { container: 'app', attempt: 0 });
  await scene.clock.advance(5_000);
  await done;
}

const progress = (scene: StepScene) => scene.progress.containers.get('app');
const pulled = `Normal Pulled app: Successfully pulled image "${image}" in 1.25s (1.25s including waiting). Image size: 10000000 bytes.`;
const present = `Normal Pulled app: Container image "${image}" already present on machine`;

describe('the image of a container', () => {
  it('that is there is taken as it is, unless it is to be pulled always', async () => {
    for (const policy of [undefined, 'IfNotPresent', 'Never']) {
      const scene = sceneOf(policy, image, [image]);
      await pull(scene);
      expect(scene.events).toEqual([present]);
      expect(progress(scene)).toEqual({ attempt: 0, image, failure: undefined });
    }
    const always = sceneOf('Always', image, [image]);
    await pull(always);
    expect(always.events).toEqual([`Normal Pulling app: Pulling image "${image}"`, pulled]);
  });

  it('that is not there is pulled, and an event says how long it took', async () => {
    const scene = sceneOf('IfNotPresent');
    await pull(scene);
    expect(scene.events).toEqual([`Normal Pulling app: Pulling image "${image}"`, pulled]);
    expect(progress(scene)).toEqual({ attempt: 0, image, failure: undefined });
    const fast = new StepScene({ images: [], pullMs: 350 });
    fast.pod = sceneOf('IfNotPresent').pod;
    // The node has run for a while.
    await fast.clock.advance(100_000);
    await pull(fast);
    expect(fast.events.at(-1)).toContain(' in 350ms (350ms including waiting)');
  });

  it('that may never be pulled and is not there is a failure', async () => {
    const scene = sceneOf('Never');
    await pull(scene);
    const message = `Container image "${image}" is not present with pull policy of Never`;
    expect(scene.events).toEqual([
      `Warning ErrImageNeverPull app: ${message}`,
      'Warning Failed app: Error: ErrImageNeverPull',
    ]);
    expect(progress(scene)?.failure).toMatchObject({ reason: 'ErrImageNeverPull', message, count: 1 });
    expect(progress(scene)?.image).toBeUndefined();
  });

  it('whose name is invalid is not pulled', async () => {
    const scene = sceneOf('Always', 'NOT/an image');
    scene.overrides = { pullImage: () => expect.unreachable(), imageStatus: () => expect.unreachable() };
    await pull(scene);
    expect(scene.events).toEqual([
      expect.stringMatching(/^Warning InspectFailed app: Failed to apply default image tag "NOT\/an image"/),
      'Warning Failed app: Error: InvalidImageName',
    ]);
    expect(progress(scene)?.failure).toMatchObject({ reason: 'InvalidImageName' });
  });

  it('that cannot be pulled is tried again after 10 s, 20 s, 40 s and then every minute', async () => {
    const scene = sceneOf('Always', 'registry.example/missing:1');
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      await pull(scene);
      const failure = progress(scene)?.failure;
      waits.push(((failure?.retryAt ?? 0) - (failure?.at ?? 0)) / 1000);
      expect(failure).toMatchObject({ reason: 'ErrImagePull', count: i + 1 });
    }
    expect(waits).toEqual([10, 20, 40, 60, 60, 60]);
    expect(scene.events.slice(-2)).toEqual([
      'Warning Failed app: Failed to pull image "registry.example/missing:1": manifest for registry.example/missing:1 not found: manifest unknown',
      'Warning Failed app: Error: ErrImagePull',
    ]);
  });

  it('is tried at once, and counted anew, when its name or what the pod reads has changed', async () => {
    const scene = sceneOf('Always', 'registry.example/missing:1');
    await pull(scene);
    await pull(scene);
    scene.inputs = { objects: 2, pod: 1 };
    await pull(scene);
    expect(progress(scene)?.failure).toMatchObject({
      count: 1,
      inputs: { objects: 2, image: 'registry.example/missing:1' },
    });
    await pull(scene);
    // A label of the pod makes no difference to its images.
    scene.inputs = { objects: 2, pod: 2 };
    await pull(scene);
    expect(progress(scene)?.failure?.count).toBe(3);
    scene.pod = sceneOf('Always', 'registry.example/missing:2').pod;
    await pull(scene);
    expect(progress(scene)?.failure?.count).toBe(1);
  });

  it('of the next attempt has no failures behind it', async () => {
    const scene = sceneOf('Always', 'registry.example/missing:1');
    await pull(scene);
    await pull(scene);
    const next = scene.run('pullImage', { container: 'app', attempt: 1 });
    await scene.clock.advance(5_000);
    await next;
    expect(progress(scene)).toMatchObject({ attempt: 1, failure: { count: 1 } });
  });

  it('is pulled with the first credentials of the pod that fit its registry', async () => {
    const scene = sceneOf('Always');
    const used: Array<RegistryAuth | undefined> = [];
    scene.overrides = {
      pullImage: async (_image, auth) => {
        used.push(auth);
        return scene.engine.addImage(image);
      },
    };
    const docker = (name: string, host: string) => {
      const auths = { [host]: { username: name, password: 'hidden' } };
      const data = { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') };
      return { ...configMap(name, {}), kind: 'Secret' as const, data };
    };
    scene.objects = [docker('other', 'elsewhere.example'), docker('fits', 'registry.example')];
    await pull(scene);
    const secrets = (...names: string[]) => names.map((name) => ({ name }));
    scene.pod = {
      ...scene.pod,
      spec: { ...scene.pod.spec, imagePullSecrets: [{}, ...secrets('none', 'other', 'fits')] },
    };
    await pull(scene);
    expect(used).toEqual([undefined, { username: 'fits', password: 'hidden', server: 'registry.example' }]);
  });

  it('whose pull was given up is no failure', async () => {
    const scene = sceneOf('Always');
    const done = scene.run('pullImage', { container: 'app', attempt: 0 });
    await scene.clock.advance(1_000);
    scene.abort.abort();
    await scene.clock.advance(1_000);
    await done;
    expect(scene.events).toEqual([`Normal Pulling app: Pulling image "${image}"`]);
    expect(progress(scene)).toBeUndefined();
  });

  it('of a container that the pod has not is a fault of the agent', async () => {
    await expect(sceneOf('Always').run('pullImage', { container: 'none', attempt: 0 })).rejects.toThrow(
      'the pod has no container none',
    );
  });
});
