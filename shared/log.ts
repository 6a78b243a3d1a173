import { type Logger, pino } from 'pino';

/**
 * One line an event. Lines carry `component`, and where they apply `key` (namespace/name) and `rev`.
 * Take a part's logger with `log.child({ component: 'scheduler' })`.
 */
export type Log = Logger;

/** A logger that writes JSON lines to standard error. */
export function createLog(level: string, fields: Record<string, unknown> = {}): Log {
  return pino(
    { level, base: fields, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}

export const silentLog: Log = pino({ level: 'silent' });
