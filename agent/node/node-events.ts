import type { NodeStatus } from '../../shared/generated/types.ts';

/** What the kubelet calls each state of a condition. */
const words: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { True: 'NodeReady', False: 'NodeNotReady' },
  MemoryPressure: { True: 'NodeHasInsufficientMemory', False: 'NodeHasSufficientMemory' },
  DiskPressure: { True: 'NodeHasDiskPressure', False: 'NodeHasNoDiskPressure' },
  PIDPressure: { True: 'NodeHasInsufficientPID', False: 'NodeHasSufficientPID' },
};

/** The reasons of the events of what has changed; when nothing was said before, of what the node is short of or is not. */
export function nodeEventReasons(before: NodeStatus | undefined, now: NodeStatus): string[] {
  return (now.conditions ?? []).flatMap(({ type, status }) => {
    const earlier = before?.conditions?.find((condition) => condition.type === type);
    const word = words[type]?.[status];
    if (word === undefined || earlier?.status === status) return [];
    // Whether it is ready is news only once it has been said.
    return earlier === undefined && type === 'Ready' ? [] : [word];
  });
}

/** Tells of the node's beginning, and then of each of its statuses what is new. */
export class NodeEvents {
  readonly #tell: (reason: string, message: string) => void;
  readonly #node: string;
  #last: NodeStatus | undefined;

  constructor(node: string, tell: (reason: string, message: string) => void) {
    this.#node = node;
    this.#tell = tell;
  }

  note(status: NodeStatus): void {
    if (!this.#last) this.#tell('Starting', 'Starting kubelet.');
    for (const reason of nodeEventReasons(this.#last, status)) {
      this.#tell(reason, `Node ${this.#node} status is now: ${reason}`);
    }
    this.#last = status;
  }
}
