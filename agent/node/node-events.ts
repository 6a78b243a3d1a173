import type { NodeStatus } from '../../shared/generated/types.ts';

/** The kubelet's reason for each status of a condition. */
const reasons: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { True: 'NodeReady', False: 'NodeNotReady' },
  MemoryPressure: { True: 'NodeHasInsufficientMemory', False: 'NodeHasSufficientMemory' },
  DiskPressure: { True: 'NodeHasDiskPressure', False: 'NodeHasNoDiskPressure' },
  PIDPressure: { True: 'NodeHasInsufficientPID', False: 'NodeHasSufficientPID' },
};

/** The reasons of the events for conditions that have changed, or for all of them but Ready if there was no status before. */
function nodeEventReasons(before: NodeStatus | undefined, now: NodeStatus): string[] {
  return (now.conditions ?? []).flatMap(({ type, status }) => {
    const earlier = before?.conditions?.find((condition) => condition.type === type);
    const reason = reasons[type]?.[status];
    if (reason === undefined || earlier?.status === status) return [];
    return earlier === undefined && type === 'Ready' ? [] : [reason];
  });
}

/** Records the events of the node: its start, then the changes of its conditions. */
export class NodeEvents {
  readonly #record: (reason: string, message: string) => void;
  readonly #node: string;
  #last: NodeStatus | undefined;

  constructor(node: string, record: (reason: string, message: string) => void) {
    this.#node = node;
    this.#record = record;
  }

  note(status: NodeStatus): void {
    if (!this.#last) this.#record('Starting', 'Starting kubelet.');
    for (const reason of nodeEventReasons(this.#last, status)) {
      this.#record(reason, `Node ${this.#node} status is now: ${reason}`);
    }
    this.#last = status;
  }
}
