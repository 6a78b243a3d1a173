import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../shared/random.ts';
import type { StreamRequest, ToNode, TunnelFrame } from '../../../shared/session.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { connectionPair } from '../../../test/support/node-session.ts';
import { type Tunnel, Tunnels } from './tunnels.ts';

const request: StreamRequest = {
  stream: 'portForward',
  parameters: { namespace: 'default', pod: 'web', uid: 'u', port: 80 },
};

function setUp() {
  const clock = new VirtualClock();
  const tunnels = new Tunnels({ clock, random: seededRandom(1) });
  const told: ToNode[] = [];
  const stop = new AbortController();
  const session = new AbortController();
  const send = async (message: ToNode): Promise<void> => void told.push(message);
  const opening = tunnels.open('n1', request, { send, ended: session.signal }, stop.signal);
  opening.catch(() => undefined);
  const asked = told[0];
  if (asked?.type !== 'openStream') throw new Error('nothing was asked of the node');
  const [agent, server] = connectionPair<TunnelFrame, TunnelFrame>();
  const accept = (node: string, tunnel: Tunnel = server) => tunnels.accept(asked.id, node, tunnel);
  return { clock, tunnels, told, stop, session, opening, asked, agent, accept };
}

describe('a stream to a node', () => {
  it('is the tunnel that this node dials with the id that it was sent, and no other', async () => {
    const { asked, opening, accept, agent } = setUp();
    expect(asked).toMatchObject(request);
    await expect(accept('n2')).rejects.toMatchObject({ reason: 'NotFound' });
    void accept('n1');
    const tunnel = await opening;
    await tunnel.send({ data: Buffer.from('x'), channel: 0, end: false });
    for await (const frame of agent.incoming) {
      expect(frame.channel).toBe(0);
      break;
    }
    await expect(accept('n1')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it.each(['closed', 'given up'])(
    'is %s by a message to the node as well, since a full tunnel may hide it',
    async (how) => {
      const { stop, opening, accept, told, asked } = setUp();
      const served = accept('n1');
      const tunnel = await opening;
      if (how === 'closed') tunnel.close();
      else stop.abort(new Error('the client has gone'));
      await served;
      expect(told.slice(1)).toEqual([{ type: 'closeStream', id: asked.id }]);
      tunnel.close();
      expect(told).toHaveLength(2);
      for await (const _frame of tunnel.incoming) throw new Error('nothing was sent');
    },
  );

  it('is refused when the node does not dial in time, or the client or the session ends before', async () => {
    const late = setUp();
    await late.clock.advance(10_001);
    await expect(late.opening).rejects.toThrow('error dialing backend: node n1 did not open a stream within 10 s');
    expect(late.told.at(-1)).toEqual({ type: 'closeStream', id: late.asked.id });
    await expect(late.accept('n1')).rejects.toMatchObject({ reason: 'NotFound' });
    const gone = setUp();
    gone.session.abort(new Error('the session has ended'));
    await expect(gone.opening).rejects.toThrow('error dialing backend: the session has ended');
    await expect(gone.accept('n1')).rejects.toMatchObject({ reason: 'NotFound' });
    const left = setUp();
    left.stop.abort(new Error('the client has gone'));
    await expect(left.opening).rejects.toThrow('the client has gone');
    await expect(left.accept('n1')).rejects.toMatchObject({ reason: 'NotFound' });
  });
});
