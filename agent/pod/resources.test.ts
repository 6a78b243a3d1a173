import { describe, expect, it } from 'vitest';
import type { Container } from '../../shared/generated/types.ts';
import { container } from '../../test/support/hollow-agent.ts';
import { containerState, type GivenView, viewOf } from '../../test/support/pod-view.ts';
import {
  appliedResources,
  isResizing,
  resourcesLabel,
  resourcesOfText,
  resourcesText,
  restartsToResize,
} from './resources.ts';

const full = { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '1', memory: '128Mi' } };

describe('resources as a text', () => {
  it.each<[Container['resources'], string]>([
    [undefined, 'cpu=/,memory=/'],
    [{ requests: { cpu: '100m' } }, 'cpu=100m/,memory=/'],
    [{ limits: { memory: '1Gi' } }, 'cpu=/,memory=/1Gi'],
    [full, 'cpu=100m/1,memory=64Mi/128Mi'],
  ])('of %j is %s, and back', (resources, text) => {
    expect(resourcesText({ ...(resources ? { resources } : {}) })).toBe(text);
    expect(resourcesOfText(text)).toEqual(resources);
  });

  it('leaves out what no cgroup shows', () => {
    expect(resourcesText({ resources: { limits: { 'ephemeral-storage': '1Gi' } } })).toBe('cpu=/,memory=/');
  });

  it('has only the lists that have something', () => {
    expect(resourcesOfText('cpu=100m/,memory=/')).toEqual({ requests: { cpu: '100m' } });
    expect(resourcesOfText('')).toBeUndefined();
  });
});

describe('what a running container has', () => {
  const made = containerState('app', { labels: { [resourcesLabel]: 'cpu=100m/,memory=/' } });
  const resized = (id: string, more: object = {}): GivenView => ({
    memory: {
      containers: {
        app: { nextAttempt: 1, crashes: 0, exits: [], resized: { id, resources: 'cpu=200m/,memory=/', ...more } },
      },
    },
  });

  it('is what it was made with, or what it was given later; not what another of its name was given', () => {
    expect(appliedResources(viewOf({}), made)).toBe('cpu=100m/,memory=/');
    expect(appliedResources(viewOf(resized('id-app')), made)).toBe('cpu=200m/,memory=/');
    expect(appliedResources(viewOf(resized('before')), made)).toBe('cpu=100m/,memory=/');
    expect(appliedResources(viewOf({}), containerState('app'))).toBeUndefined();
  });

  it('is being changed while it is not what the spec says, or while it is not known whether it is', () => {
    const spec = (cpu: string) => container('app', { resources: { requests: { cpu } } });
    expect(isResizing(viewOf({}), spec('100m'), made)).toBe(false);
    expect(isResizing(viewOf({}), spec('200m'), made)).toBe(true);
    expect(isResizing(viewOf(resized('id-app')), spec('200m'), made)).toBe(false);
    expect(isResizing(viewOf(resized('id-app', { changing: true })), spec('200m'), made)).toBe(true);
    expect(isResizing(viewOf(resized('before', { changing: true })), spec('100m'), made)).toBe(false);
    expect(isResizing(viewOf({}), spec('200m'), containerState('app'))).toBe(false);
  });
});

describe('a container is restarted for other resources', () => {
  const policy = (cpu: 'NotRequired' | 'RestartContainer', memory: 'NotRequired' | 'RestartContainer') =>
    container('app', {
      resources: full,
      resizePolicy: [
        { resourceName: 'cpu', restartPolicy: cpu },
        { resourceName: 'memory', restartPolicy: memory },
      ],
    });

  it.each([
    ['cpu=200m/1,memory=64Mi/128Mi', 'RestartContainer', 'NotRequired', true],
    ['cpu=200m/1,memory=64Mi/128Mi', 'NotRequired', 'RestartContainer', false],
    ['cpu=100m/1,memory=64Mi/256Mi', 'RestartContainer', 'NotRequired', false],
    ['cpu=100m/1,memory=64Mi/256Mi', 'NotRequired', 'RestartContainer', true],
    ['cpu=200m/1,memory=64Mi/256Mi', 'NotRequired', 'NotRequired', false],
    ['cpu=100m/1,memory=64Mi/128Mi', 'RestartContainer', 'RestartContainer', false],
  ] as const)('that has %s, with the policies %s and %s: %s', (applied, cpu, memory, restarts) => {
    expect(restartsToResize(policy(cpu, memory), applied)).toBe(restarts);
  });

  it('never where it has no policy', () => {
    expect(restartsToResize(container('app', { resources: full }), 'cpu=/,memory=/')).toBe(false);
  });
});
