import { describe, expect, it } from 'vitest';
import { makePod } from '../../test/support/hollow-agent.ts';
import { configMap, podFacts, podInputs } from '../../test/support/pod-inputs.ts';
import { ConfigError, type PodEnvironment, type PodInputs, TokenError } from '../pod/inputs.ts';
import { hollowVolumes } from './hollow-volumes.ts';
import { setUpEach } from './pod-volumes.ts';

const pod = makePod('web', { volumes: ['a', 'b', 'c'].map((name) => ({ name, emptyDir: {} })) });
const without = podInputs();
const inputs: PodInputs = { ...podInputs(), withoutTokens: without };
const environment: PodEnvironment = { pod, inputs, facts: podFacts };

describe('setting up the volumes of a pod', () => {
  it('goes on with the others when one fails, and reports of each failure whether the volume has content', async () => {
    const done: string[] = [];
    const failures = await setUpEach(
      environment,
      async ({ name }) => {
        done.push(name);
        if (name !== 'b') throw new ConfigError(`no ${name}`);
      },
      async ({ name }) => name === 'c',
    );
    expect(done).toEqual(['a', 'b', 'c']);
    expect(failures).toEqual([
      { message: 'MountVolume.SetUp failed for volume "a" : no a', mounted: false },
      { message: 'MountVolume.SetUp failed for volume "c" : no c', mounted: true },
    ]);
  });

  it('has nothing to do for a pod without volumes', async () => {
    const fail = async () => {
      throw new Error('called');
    };
    expect(await setUpEach({ ...environment, pod: makePod('web') }, fail, fail)).toEqual([]);
  });

  it('leaves the token out of a volume without content where the pod can go without, once', async () => {
    const tried: Array<[string, boolean]> = [];
    const failures = await setUpEach(
      environment,
      async ({ name }, { inputs: from }) => {
        tried.push([name, from === without]);
        if (name === 'b' && from === without) throw new TokenError('and still none');
        if (from === inputs) throw name === 'c' ? new ConfigError('wrong') : new TokenError('no token');
      },
      async () => false,
    );
    expect(tried).toEqual([
      ['a', false],
      ['a', true],
      ['b', false],
      ['b', true],
      ['c', false],
    ]);
    expect(failures.map(({ message }) => message)).toEqual([
      'MountVolume.SetUp failed for volume "b" : and still none',
      'MountVolume.SetUp failed for volume "c" : wrong',
    ]);
  });

  it('keeps the content, token and all, of a volume that has some, and waits for a token where the pod needs one', async () => {
    const fail = async () => {
      throw new TokenError('no token');
    };
    const kept = await setUpEach(environment, fail, async () => true);
    expect(kept.map(({ mounted }) => mounted)).toEqual([true, true, true]);
    const waiting = await setUpEach({ ...environment, inputs: without }, fail, async () => false);
    expect(waiting.map(({ mounted }) => mounted)).toEqual([false, false, false]);
  });
});

it('a hollow pod waits for the objects that it shows, as a real one does', async () => {
  const shows = makePod('web', {
    volumes: [
      { name: 'conf', configMap: { name: 'settings' } },
      { name: 'data', emptyDir: {} },
    ],
  });
  expect(await hollowVolumes.prepare(shows, podInputs(), podFacts)).toEqual([
    { message: 'MountVolume.SetUp failed for volume "conf" : configmap "settings" not found', mounted: false },
  ]);
  expect(await hollowVolumes.prepare(shows, podInputs(configMap('settings', {})), podFacts)).toEqual([]);
  expect(await hollowVolumes.mounts(shows, { name: 'app' }, 0, podInputs(), podFacts)).toEqual([]);
  expect(await hollowVolumes.usage('uid', ['data'], new AbortController().signal)).toEqual(new Map());
  expect(await hollowVolumes.list()).toEqual([]);
});
