import { describe, expect, it } from 'vitest';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { containerSpec } from './container-spec.ts';
import { containerEnv } from './env.ts';
import type { PodFacts, PodInputs } from './inputs.ts';

const inputs: PodInputs = { configMap: () => undefined, secret: () => undefined };
const facts: PodFacts = {
  ...{ nodeName: 'node-1', hostIP: '192.0.2.1', podIP: '10.64.3.9' },
  allocatable: { cpuMillis: 4000, memoryBytes: 8 * 2 ** 30, ephemeralBytes: 2 ** 30 },
};
const kubernetes = { host: '10.68.0.1', port: 443 };

function envOf(env: Array<{ name: string; value: string }>, known: PodFacts): Record<string, string> {
  const variables = containerEnv(makePod('web'), container('app', { env }), inputs, known);
  return Object.fromEntries(variables.map(({ name, value }) => [name, value]));
}

describe('the environment of a container', () => {
  it('says where the API is, once the node knows', () => {
    expect(envOf([], facts)).toEqual({});
    expect(envOf([], { ...facts, kubernetes })).toEqual({
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

  it('is refused when its variables refer to one another without end', () => {
    const doubled = Array.from({ length: 64 }, (_, i) => ({ name: `V${i}`, value: `$(V${i - 1})$(V${i - 1})` }));
    expect(() => envOf([{ name: 'V-1', value: 'x' }, ...doubled], facts)).toThrow(
      'the variables expand to more than 2097152 characters',
    );
    const words = Array.from({ length: 1_000 }, () => '$(LONG)');
    const spec = container('app', { env: [{ name: 'LONG', value: 'x'.repeat(100_000) }], args: words });
    const node = { ...facts, memoryCapacity: 2 ** 30 };
    expect(() => containerSpec(makePod('web'), spec, 0, [], inputs, node, { supplementalGroups: [] })).toThrow(
      'the variables expand to more than',
    );
    expect(
      envOf(
        [
          { name: 'A', value: 'x'.repeat(100_000) },
          { name: 'B', value: '$(A)$(A)' },
        ],
        facts,
      ).B,
    ).toHaveLength(200_000);
  });

  it('has the container’s own word before the node’s, which it may refer to', () => {
    const env = [
      { name: 'API', value: '$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)' },
      { name: 'KUBERNETES_SERVICE_PORT', value: '6443' },
    ];
    expect(envOf(env, { ...facts, kubernetes })).toMatchObject({
      ...{ API: '10.68.0.1:443', KUBERNETES_SERVICE_HOST: '10.68.0.1', KUBERNETES_SERVICE_PORT: '6443' },
    });
  });
});
