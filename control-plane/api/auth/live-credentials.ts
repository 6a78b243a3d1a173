import type { Clock, Timer } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { NodeEnrollment } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { type CertifiedNode, isEnrolled, type NodeCertificates } from './node-certificates.ts';

/** The credential of a request, which may end before the request's stream does. */
export interface Credential {
  /** When the certificate ends: milliseconds since the epoch. */
  readonly notAfter: number;
  /** For a node: its certificate also ends with its enrollment. */
  readonly node?: CertifiedNode;
}

export interface LiveCredentialsDeps {
  readonly clock: Pick<Clock, 'now' | 'timer'>;
  readonly nodes: Pick<NodeCertificates, 'isGood'>;
}

/** The end is checked again after this long: timers hold at most 2^31 ms, and the wall clock may be set. */
const lookMs = 60 * 60 * 1000;

interface Follower {
  readonly node: CertifiedNode;
  end(why: string): void;
}

/** Ends streams with the credential that they were opened with. */
export class LiveCredentials {
  readonly #deps: LiveCredentialsDeps;
  readonly #followers = new Map<string, Set<Follower>>();

  constructor(deps: LiveCredentialsDeps) {
    this.#deps = deps;
  }

  /** Calls `onEnd` once, when the credential is no longer valid. Returns a function that cancels this. */
  follow(credential: Credential | undefined, onEnd: (error: ApiError) => void): () => void {
    if (!credential) return () => undefined;
    const { notAfter, node } = credential;
    const { clock } = this.#deps;
    let timer: Timer | undefined;
    let over = false;
    const stop = (): void => {
      over = true;
      timer?.cancel();
      if (follower) this.#leave(follower);
    };
    const end = (why: string): void => {
      if (over) return;
      stop();
      onEnd(new ApiError('Unauthorized', why));
    };
    const look = (): void => {
      const left = notAfter - clock.now();
      if (left <= 0) end('the client certificate has expired');
      else timer = clock.timer(Math.min(left, lookMs), look);
    };
    const follower = node && { node, end };
    if (follower) this.#join(follower);
    look();
    // The node may have been removed since the request was authenticated: no further change will show that.
    if (node && !over) this.#verify(node, end);
    return stop;
  }

  /** Applies changes of the cluster's state; those of enrollments count. */
  note(changes: readonly Change[]): void {
    for (const { kind, key, after } of changes) {
      if (kind !== 'NodeEnrollment') continue;
      for (const { node, end } of [...(this.#followers.get(key) ?? [])]) {
        if (!isEnrolled(node, after as NodeEnrollment | undefined)) end(notEnrolled(node));
      }
    }
  }

  #verify(node: CertifiedNode, end: (why: string) => void): void {
    const good = this.#deps.nodes.isGood(node);
    if (good === true) return;
    Promise.resolve(good).then(
      (still) => {
        if (!still) end(notEnrolled(node));
      },
      () => end(`it is not known whether node "${node.name}" is enrolled`),
    );
  }

  #join(follower: Follower): void {
    const { name } = follower.node;
    const others = this.#followers.get(name) ?? new Set();
    this.#followers.set(name, others.add(follower));
  }

  #leave(follower: Follower): void {
    const others = this.#followers.get(follower.node.name);
    others?.delete(follower);
    if (others?.size === 0) this.#followers.delete(follower.node.name);
  }
}

function notEnrolled({ name }: CertifiedNode): string {
  return `the certificate of node "${name}" no longer counts: the node was removed or enrolled anew`;
}
