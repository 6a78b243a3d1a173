import { pino } from 'pino';
import { Assigned, type AssignedTable } from '../../agent/session/assigned.ts';

/** What is assigned to a node, with a subscriber for each kind, a checkpoint in memory and a log that is kept. */
export class AssignedScene<Table extends AssignedTable> {
  readonly assigned: Assigned<Table>;
  readonly documents = new Map<string, unknown>();
  readonly logged: Array<Record<string, unknown>> = [];
  readonly #changed = new Map<string, string[]>();

  constructor(table: Table) {
    this.assigned = new Assigned(table, {
      checkpoint: {
        put: (key, document) => void this.documents.set(key, document),
        remove: (key) => void this.documents.delete(key),
      },
      log: pino({ level: 'info' }, { write: (line) => this.logged.push(JSON.parse(line) as Record<string, unknown>) }),
    });
    for (const kind of Object.keys(table) as Array<Extract<keyof Table, string>>) {
      this.assigned.subscribe([kind], (changes) => {
        const keys = [...changes.of(kind)];
        if (keys.length > 0) this.#changed.set(kind, [...(this.#changed.get(kind) ?? []), ...keys].sort());
      });
    }
  }

  /** The keys that subscribers were called with since the last call, by kind. */
  takeChanged(): Record<string, string[]> {
    const changed = Object.fromEntries(this.#changed);
    this.#changed.clear();
    return changed;
  }
}
