import { expect, test } from 'vitest';
import { silentLog } from '../../shared/log.ts';
import { attachment as attachmentFor, cidr } from '../../test/support/net.ts';
import type { HostPort } from '../runtime/runtime.ts';
import type { Run } from './command.ts';
import { NetworkError } from './error.ts';
import { Firewall } from './firewall.ts';

const hostPort: HostPort = { hostIP: '', hostPort: 80, containerPort: 8080, protocol: 'TCP' };

function attachment(podUid: string, hostPorts: HostPort[] = []) {
  return attachmentFor({ podUid, hostPorts });
}

test('where nft is missing, pods without host ports are attached, and those with some fail with the reason', async () => {
  const missing: Run = async (command) => {
    throw new NetworkError('Command', `${command}: not found`, {
      cause: Object.assign(new Error(), { code: 'ENOENT' }),
    });
  };
  const firewall = new Firewall({ run: missing, log: silentLog }, 'coracle');
  await firewall.setup();
  await firewall.setRanges(cidr('10.1.0.0/24'), []);
  await firewall.setHostPorts(attachment('a'));
  await firewall.removeHostPorts('a');
  await expect(firewall.setHostPorts(attachment('b', [hostPort]))).rejects.toThrow('host ports need nft');
  expect(firewall.podUids).toEqual([]);
});

test('a transaction that the kernel refuses leaves the pod without host ports, and does not hold up the next', async () => {
  let refuse = false;
  const run: Run = async (_command, args) => {
    if (args.includes('list')) return '{"nftables": []}';
    if (refuse) throw new NetworkError('Command', 'nft: no');
    return '';
  };
  const firewall = new Firewall({ run, log: silentLog }, 'coracle');
  await firewall.setup();
  refuse = true;
  await expect(firewall.setHostPorts(attachment('a', [hostPort]))).rejects.toThrow('nft: no');
  refuse = false;
  await firewall.setHostPorts(attachment('b', [hostPort]));
  expect(firewall.podUids).toEqual(['b']);
});
