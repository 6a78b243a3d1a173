import { describe, expect, it } from 'vitest';
import type { ConfigMap, Container, EnvVar, Secret } from '../../../shared/generated/types.ts';
import { container, makePod } from '../../../test/support/hollow-agent.ts';
import { configMap, podFacts, podInputs, secret } from '../../../test/support/pod-inputs.ts';
import type { PodFacts } from '../inputs.ts';
import { containerSpec } from './container-spec.ts';
import { containerEnv, expand, expandSubPath, newExpansion } from './env.ts';

const kubernetes = { host: '10.68.0.1', port: 443 };
const pod = makePod('web', {}, { labels: { tier: 'front' } });

function envOf(
  more: Partial<Container>,
  objects: ReadonlyArray<ConfigMap | Secret> = [],
  known: PodFacts = podFacts,
): Record<string, string> {
  const variables = containerEnv({ pod, inputs: podInputs(...objects), facts: known }, container('app', more));
  expect(new Set(variables.map(({ name }) => name)).size).toBe(variables.length);
  return Object.fromEntries(variables.map(({ name, value }) => [name, value]));
}

const ofEnv = (...env: EnvVar[]) => envOf({ env });

describe('the environment of a container', () => {
  it('says where the API is, once the node knows', () => {
    expect(envOf({})).toEqual({});
    expect(envOf({}, [], { ...podFacts, kubernetes })).toEqual({
      KUBERNETES_SERVICE_HOST: '10.68.0.1',
      KUBERNETES_SERVICE_PORT: '443',
      KUBERNETES_SERVICE_PORT_HTTPS: '443',
      KUBERNETES_PORT: 'tcp://10.68.0.1:443',
      KUBERNETES_PORT_443_TCP: 'tcp://10.68.0.1:443',
      KUBERNETES_PORT_443_TCP_PROTO: 'tcp',
      KUBERNETES_PORT_443_TCP_PORT: '443',
      KUBERNETES_PORT_443_TCP_ADDR: '10.68.0.1',
    });
  });

  it('has the container’s own word before the node’s, which it may refer to', () => {
    const env = [
      { name: 'API', value: '$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)' },
      { name: 'KUBERNETES_SERVICE_PORT', value: '6443' },
    ];
    expect(envOf({ env }, [], { ...podFacts, kubernetes })).toMatchObject({
      API: '10.68.0.1:443',
      KUBERNETES_SERVICE_HOST: '10.68.0.1',
      KUBERNETES_SERVICE_PORT: '6443',
    });
  });

  it('takes all of a ConfigMap or Secret, each key behind the prefix of its source', () => {
    const objects = [configMap('settings', { MODE: 'fast', level: '3' }), secret('keys', { TOKEN: 'hidden' })];
    const envFrom = [
      { configMapRef: { name: 'settings' } },
      { prefix: 'A_', configMapRef: { name: 'settings' } },
      { prefix: 'S_', secretRef: { name: 'keys' } },
      { secretRef: { name: 'keys' } },
    ];
    expect(envOf({ envFrom }, objects)).toEqual({
      MODE: 'fast',
      level: '3',
      A_MODE: 'fast',
      A_level: '3',
      S_TOKEN: 'hidden',
      TOKEN: 'hidden',
    });
  });

  it('takes the last of several values for one name: of the later source, then of env, then of the later variable', () => {
    const objects = [
      configMap('first', { A: '1', B: '1', C: '1', D: '1' }),
      configMap('second', { B: '2', C: '2', D: '2' }),
    ];
    const envFrom = [{ configMapRef: { name: 'first' } }, { configMapRef: { name: 'second' } }];
    const env = [
      { name: 'C', value: '3' },
      { name: 'D', value: '3' },
      { name: 'D', value: '4' },
    ];
    expect(envOf({ envFrom, env }, objects)).toEqual({ A: '1', B: '2', C: '3', D: '4' });
  });

  it('leaves out keys of a source that cannot be names of variables', () => {
    const objects = [configMap('settings', { 'app.conf': 'x', 'a-b': 'y' })];
    expect(envOf({ envFrom: [{ configMapRef: { name: 'settings' } }] }, objects)).toEqual({
      'app.conf': 'x',
      'a-b': 'y',
    });
    for (const prefix of ['A=', 'A B', '\t']) {
      expect(envOf({ envFrom: [{ prefix, configMapRef: { name: 'settings' } }] }, objects)).toEqual({});
    }
  });

  it('needs the sources that are not optional, in the container’s own namespace', () => {
    const elsewhere = [configMap('settings', { A: '1' }, 'other'), secret('keys', { A: '1' }, 'other')];
    const ofMap = { configMapRef: { name: 'settings' } };
    const ofSecret = { secretRef: { name: 'keys' } };
    expect(() => envOf({ envFrom: [ofMap] }, elsewhere)).toThrow('configmap "settings" not found');
    expect(() => envOf({ envFrom: [ofSecret] }, elsewhere)).toThrow('secret "keys" not found');
    const optional = [
      { configMapRef: { ...ofMap.configMapRef, optional: true } },
      { secretRef: { ...ofSecret.secretRef, optional: true } },
    ];
    expect(envOf({ envFrom: optional }, elsewhere)).toEqual({});
    // Objects that hold nothing are there all the same.
    const { data: _, ...map } = configMap('settings', {});
    const { data: __, ...keys } = secret('keys', {});
    expect(envOf({ envFrom: [ofMap, ofSecret] }, [map, keys])).toEqual({});
  });

  it('takes single values from fields, resources and keys', () => {
    const resources = { limits: { cpu: '1500m', memory: '64Mi' } };
    const objects = [configMap('settings', { mode: 'fast' }), secret('keys', { token: 'hidden' })];
    const env: EnvVar[] = [
      { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'TIER', valueFrom: { fieldRef: { fieldPath: "metadata.labels['tier']" } } },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
      { name: 'MEMORY', valueFrom: { resourceFieldRef: { containerName: '', resource: 'limits.memory' } } },
      { name: 'NODE', valueFrom: { resourceFieldRef: { containerName: 'side', resource: 'limits.cpu' } } },
      { name: 'MODE', valueFrom: { configMapKeyRef: { name: 'settings', key: 'mode' } } },
      { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
    ];
    const both = makePod(
      'web',
      { containers: [container('app', { env, resources }), container('side')] },
      pod.metadata,
    );
    const [app = container('app')] = both.spec.containers;
    const found = containerEnv({ pod: both, inputs: podInputs(...objects), facts: podFacts }, app);
    expect(Object.fromEntries(found.map(({ name, value }) => [name, value]))).toEqual({
      NAME: 'web',
      TIER: 'front',
      IP: '10.64.3.9',
      CPU: '1500',
      MEMORY: String(64 * 2 ** 20),
      NODE: '4',
      MODE: 'fast',
      TOKEN: 'hidden',
    });
  });

  it.each([
    ['configMapKeyRef' as const, configMap('it', { there: 'x', empty: '' }), 'configmap', 'ConfigMap'],
    ['secretKeyRef' as const, secret('it', { there: 'x', empty: '' }), 'secret', 'Secret'],
  ])('needs the key of a %s, unless it is optional', (kind, object, small, large) => {
    const { data: _, ...bare } = object;
    const of = (key: string, optional?: boolean, name = 'it', of: ConfigMap | Secret = object) =>
      envOf({ env: [{ name: 'V', valueFrom: { [kind]: { name, key, optional } } }] }, [of]);
    expect(of('there')).toEqual({ V: 'x' });
    expect(of('empty')).toEqual({ V: '' });
    expect(() => of('gone')).toThrow(`couldn't find key gone in ${large} default/it`);
    expect(() => of('gone', false)).toThrow(`couldn't find key gone in ${large} default/it`);
    expect(() => of('there', false, 'other')).toThrow(`${small} "other" not found`);
    expect(() => of('there', false, 'it', bare)).toThrow(`couldn't find key there in ${large} default/it`);
    expect(of('gone', true)).toEqual({});
    expect(of('there', true, 'other')).toEqual({});
    expect(of('there', true)).toEqual({ V: 'x' });
  });

  it('keeps what a source gave for a name whose optional key is missing', () => {
    const env = [{ name: 'V', valueFrom: { configMapKeyRef: { name: 'none', key: 'V', optional: true } } }];
    const envFrom = [{ configMapRef: { name: 'settings' } }];
    expect(envOf({ env, envFrom }, [configMap('settings', { V: 'x' })])).toEqual({ V: 'x' });
  });

  it('expands what comes before a variable, of whatever kind, and not what comes after it', () => {
    const env: EnvVar[] = [
      { name: 'EARLY', value: '$(LATE)' },
      { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'LATE', value: '$(NAME)-$(FROM)' },
      { name: 'LATE', value: '<$(LATE)>' },
      { name: 'NONE' },
    ];
    const envFrom = [{ configMapRef: { name: 'settings' } }];
    expect(envOf({ env, envFrom }, [configMap('settings', { FROM: '$(NAME)' })])).toEqual({
      EARLY: '$(LATE)',
      NAME: 'web',
      LATE: '<web-$(NAME)>',
      FROM: '$(NAME)',
      NONE: '',
    });
  });

  it('does not expand what a key or a field holds', () => {
    const env: EnvVar[] = [
      { name: 'A', value: 'a' },
      { name: 'B', valueFrom: { configMapKeyRef: { name: 'settings', key: 'text' } } },
    ];
    expect(envOf({ env }, [configMap('settings', { text: '$(A) $$' })]).B).toBe('$(A) $$');
  });

  it('is refused when its variables refer to one another without end', () => {
    const doubled = Array.from({ length: 64 }, (_, i) => ({ name: `V${i}`, value: `$(V${i - 1})$(V${i - 1})` }));
    expect(() => ofEnv({ name: 'V-1', value: 'x' }, ...doubled)).toThrow(
      'the variables expand to more than 2097152 characters',
    );
    const words = Array.from({ length: 1_000 }, () => '$(LONG)');
    const spec = container('app', { env: [{ name: 'LONG', value: 'x'.repeat(100_000) }], args: words });
    const environment = { pod, inputs: podInputs(), facts: podFacts };
    const attempt = { attempt: 0, mounts: [], runAs: { supplementalGroups: [] }, memoryCapacity: 2 ** 30 };
    expect(() => containerSpec(environment, spec, attempt)).toThrow('the variables expand to more than');
    const twice = [
      { name: 'A', value: 'x'.repeat(2 ** 20) },
      { name: 'B', value: '$(A)$(A)' },
    ];
    expect(ofEnv(...twice).B).toHaveLength(2 ** 21);
    expect(() => ofEnv(...twice, { name: 'C', value: '$(A)' })).toThrow('expand to more than');
  });
});

describe('an expansion', () => {
  const variables = new Map([
    ['A', 'a'],
    ['REF', '$(A)'],
    ['EMPTY', ''],
    ['(A', 'odd'],
  ]);
  const of = (text: string) => expand(text, variables, newExpansion());

  // Kubernetes, "Dependent environment variables" and the reference of `command` and `value`.
  it.each([
    ['$(A)', 'a'],
    ['<$(A)-$(A)>', '<a-a>'],
    ['$(EMPTY)', ''],
    ['$(REF)', '$(A)'],
    ['$(NONE)', '$(NONE)'],
    ['$()', '$()'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$a'],
    ['$$$$(A)', '$$(A)'],
    ['$$A', '$A'],
    ['$A $[A] (A) $', '$A $[A] (A) $'],
    ['\\$(A)', '\\a'],
    ['$(A', '$(A'],
    ['$(A)$(A', 'a$(A'],
    ['$(A) $$ $(', 'a $ $('],
    ['$($($(--', '$($($(--'],
    ['$(A$$)', '$(A$$)'],
    ['$(A$(A))', '$(A$(A))'],
    ['$(B$(A)', '$(B$(A)'],
    ['$((A)', 'odd'],
    ['$(A))', 'a)'],
    ['a\nb', 'a\nb'],
  ])('makes of %j %j', (text, expanded) => {
    expect(of(text)).toBe(expanded);
  });

  it('looks at each reference once, however many have no end', () => {
    const open = '$('.repeat(500_000);
    expect(of(open)).toBe(open);
    expect(of(`${open})`)).toBe(`${open})`);
  });

  it('of a subPathExpr needs a value for each name', () => {
    const path = (text: string) => expandSubPath(text, variables, newExpansion());
    expect(path('logs/$(A)/$$(A)')).toBe('logs/a/$(A)');
    expect(() => path('$(NONE)')).toThrow(/^missing value for NONE$/);
    expect(() => path('$(NONE)/$(A)/$(EMPTY)')).toThrow(/^missing value for EMPTY, NONE$/);
    expect(() => expandSubPath('$(A)$(A)', variables, { left: 1 })).toThrow('expand to more than');
  });
});
