import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { LivenessCore } from './core.ts';
import type { HeartbeatListener } from './heartbeat-listener.ts';
import type { Term } from './liveness.ts';
import type { FromThread, ThreadPort, ToThread } from './thread-messages.ts';

export interface ThreadHostDeps {
  readonly port: ThreadPort<ToThread, FromThread>;
  readonly core: LivenessCore;
  readonly listener: HeartbeatListener;
  readonly log: Log;
  /** Called when everything has stopped and the last answer was sent. */
  readonly stopped: () => void;
}

/** The liveness thread's end: runs the main thread's calls on the core. */
export function hostLiveness({ port, core, listener, log, stopped }: ThreadHostDeps): void {
  const campaigns = new Map<number, AbortController>();
  const terms = new Map<number, Term>();
  const send = (message: FromThread): void => port.postMessage(message);

  async function campaign(call: number, holder: string): Promise<void> {
    const cancelled = new AbortController();
    campaigns.set(call, cancelled);
    try {
      const term = await core.campaign(holder, cancelled.signal);
      if (cancelled.signal.aborted) {
        await term.resign();
        cancelled.signal.throwIfAborted();
      }
      terms.set(call, term);
      void term.over.then(() => {
        terms.delete(call);
        send({ type: 'over', term: call });
      });
    } finally {
      campaigns.delete(call);
    }
  }

  async function stop(): Promise<void> {
    for (const cancelled of campaigns.values()) cancelled.abort(new Error('the server stops'));
    await Promise.all([...terms.values()].map((term) => term.resign()));
    await core.stop();
    listener.close();
  }

  /** Resolves with the answer; undefined for a message without one. */
  function carryOut(message: ToThread): Promise<unknown> | undefined {
    switch (message.type) {
      case 'listen':
        return listener.listen(message.address);
      case 'open': {
        const { session } = message;
        return core.open(session, (reason) => send({ type: 'expired', session: session.id, reason }));
      }
      case 'announce':
        return core.announce(message.server);
      case 'campaign':
        return campaign(message.call, message.holder);
      case 'resign':
        return terms.get(message.term)?.resign() ?? Promise.resolve();
      case 'stop':
        return stop();
      case 'cancel':
        campaigns.get(message.campaign)?.abort(new Error('the campaign was cancelled'));
        return undefined;
      case 'close':
        core.close(message.session);
        return undefined;
      case 'deleted':
        core.leaseDeleted(message.session);
        return undefined;
      case 'tls':
        listener.replaceTls(message.tls);
    }
    return undefined;
  }

  async function take(message: ToThread): Promise<void> {
    try {
      const value = await carryOut(message);
      if ('call' in message) {
        send({ type: 'answer', call: message.call, ...(typeof value === 'number' ? { value } : {}) });
      }
    } catch (error) {
      const reason = error instanceof ApiError ? error.reason : 'InternalError';
      log.debug({ component: 'liveness', type: message.type, err: messageOf(error) }, 'a call failed');
      if ('call' in message) send({ type: 'failed', call: message.call, reason, message: messageOf(error) });
    }
    if (message.type === 'stop') stopped();
  }

  port.on('message', (message) => void take(message));
}
