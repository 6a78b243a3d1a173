import { expect, it } from 'vitest';
import { makePod } from '../../test/support/hollow-agent.ts';
import { hostsFile } from './hosts-file.ts';

const withSpec = (more: object) => {
  const pod = makePod('web');
  return { ...pod, spec: { ...pod.spec, ...more } };
};

it('names the pod as the kubelet does, with its subdomain and aliases', async () => {
  const aliases = [{ ip: '192.0.2.7', hostnames: ['db', 'db.example'] }, { ip: '192.0.2.8' }];
  const text = await hostsFile(withSpec({ hostname: 'one', subdomain: 'peers', hostAliases: aliases }), '10.64.0.2');
  expect(text).toBe(`# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
10.64.0.2\tone.peers.default.svc.cluster.local\tone

# Entries added by HostAliases.
192.0.2.7\tdb\tdb.example
192.0.2.8\t
`);
  expect(await hostsFile(withSpec({}), '10.64.0.2')).toContain('\n10.64.0.2\tweb\n');
  expect(await hostsFile(withSpec({}), '')).not.toContain('web');
});

it('is the node’s own where the pod has the node’s network', async () => {
  const text = await hostsFile(withSpec({ hostNetwork: true }), '192.0.2.1');
  expect(text).toMatch(/^# Kubernetes-managed hosts file \(host network\)\.\n(.*\n)*127\.0\.0\.1/);
});

it('refuses aliases and addresses that are more than a word of its line', async () => {
  const with_ = (...hostAliases: object[]) => hostsFile(withSpec({ hostAliases }), '10.64.0.2');
  await expect(with_({ ip: '192.0.2.7', hostnames: ['a b'] })).rejects.toThrow('cannot stand in a line');
  await expect(with_({ ip: '192.0.2.7' }, { ip: '1\n2' })).rejects.toThrow('cannot stand in a line');
  await expect(hostsFile(withSpec({}), '10.64.0.2\nx')).rejects.toThrow('cannot stand in a line');
  expect(await with_()).not.toContain('HostAliases');
});

it('has the aliases beside the node’s own hosts too', async () => {
  const text = await hostsFile(
    withSpec({ hostNetwork: true, hostAliases: [{ ip: '192.0.2.7', hostnames: ['db'] }] }),
    '',
  );
  expect(text).toMatch(/^# Kubernetes-managed hosts file \(host network\)\.\n/);
  expect(text).toMatch(/\n# Entries added by HostAliases\.\n192\.0\.2\.7\tdb\n$/);
});

it('names nothing beside the loopback while the pod has no address', async () => {
  expect((await hostsFile(withSpec({}), '')).endsWith('fe00::2\tip6-allrouters\n')).toBe(true);
});
