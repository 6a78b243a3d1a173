import { intValue, milliValue, QuantityError } from '../../../shared/quantity.ts';
import type { ContainerSpec } from '../runtime.ts';

/** The behaviour of a hollow container. Times in milliseconds. */
export interface Behaviour {
  /** Ends with this code, `afterMs` after its start; absent: runs until it is stopped. */
  readonly exitCode?: number;
  readonly afterMs: number;
  /** Ends as if OOM-killed. */
  readonly oom: boolean;
  /** The engine refuses to run it, with this message. */
  readonly startError?: string;
  /** Does not end on its stop signal. */
  readonly stubborn: boolean;
  /** The time to end on its stop signal, in addition to the engine's latency, and the exit code. */
  readonly stopMs: number;
  readonly stopCode: number;
  /** The exit code of commands in it; absent: the command decides. */
  readonly execCode?: number;
  /** Commands in it do not end. */
  readonly hangs: boolean;
  /** Its usage: thousandths of a core, bytes. Absent: a little. */
  readonly cpuMillis?: number;
  readonly memoryBytes?: number;
  /** The bytes that it has written to the disk. */
  readonly diskBytes: number;
  /** Written to its log at its start. */
  readonly lines: readonly string[];
}

/**
 * The behaviour by a container's spec. Words are read from the image name (`fake/WORD` or `fake/WORD:VALUE`, as in `fake/exit:1`), the label
 * `coracle.fake`, the environment variable `FAKE`, the command and the arguments; later ones win:
 *
 * | word | meaning |
 * |---|---|
 * | `fake.exit=CODE` | ends with CODE |
 * | `fake.oom` | ends as killed for its memory (code 137) |
 * | `after=5s` | … that long after its start (`ms`, `s`, `m`, `h`); at once when absent |
 * | `fake.nostart` | the start is refused |
 * | `fake.stubborn` | does not end on its stop signal, only on SIGKILL |
 * | `fake.stop=2s` | takes that long to end on its stop signal |
 * | `fake.term=CODE` | ends with CODE on its stop signal |
 * | `fake.hang` | commands (and so exec probes) in it do not end |
 * | `fake.exec=CODE` | commands (and so exec probes) in it return CODE |
 * | `fake.cpu=250m` | uses that much of a core |
 * | `fake.memory=64Mi` | uses that much memory |
 * | `fake.disk=64Mi` | has written that much to the disk |
 * | `fake.log=TEXT` | writes TEXT as a line at its start; may be repeated |
 *
 * Without a word it runs until it is stopped, and ends with 0.
 */
export function behaviourOf(spec: Pick<ContainerSpec, 'image' | 'labels' | 'env' | 'command' | 'args'>): Behaviour {
  const words = [
    ...imageWords(spec.image),
    ...split(spec.labels['coracle.fake']),
    ...spec.env.filter((variable) => variable.name === 'FAKE').flatMap((variable) => split(variable.value)),
    ...(spec.command ?? []).flatMap(split),
    ...(spec.args ?? []).flatMap(split),
  ];
  return words.reduce(withWord, {
    afterMs: 0,
    oom: false,
    stubborn: false,
    stopMs: 0,
    stopCode: 0,
    hangs: false,
    diskBytes: 0,
    lines: [],
  } as Behaviour);
}

/** The exit code of `command` in a hollow container: 1 of `false`, CODE of `fake.exit=CODE`, else 0. */
export function execCode(behaviour: Behaviour, command: readonly string[]): number {
  if (behaviour.execCode !== undefined) return behaviour.execCode;
  const exitCode = command.flatMap(split).reduce(withWord, { ...behaviour, exitCode: undefined }).exitCode;
  if (exitCode !== undefined) return exitCode;
  return /^(.*\/)?false$/.test(command[0] ?? '') ? 1 : 0;
}

/** Milliseconds that `command` runs in a hollow container: SECONDS of `sleep SECONDS`, else 0. */
export function execMs(behaviour: Behaviour, [name = '', seconds = '']: readonly string[]): number {
  if (behaviour.hangs) return Number.POSITIVE_INFINITY;
  return /^(.*\/)?sleep$/.test(name) ? Number(seconds) * 1000 : 0;
}

function withWord(behaviour: Behaviour, word: string): Behaviour {
  const at = word.indexOf('=');
  const key = at < 0 ? word : word.slice(0, at);
  const value = at < 0 ? '' : word.slice(at + 1);
  switch (key) {
    case 'fake.exit':
      return { ...behaviour, exitCode: wholeNumber(value) };
    case 'fake.oom':
      return { ...behaviour, exitCode: 137, oom: true };
    case 'after':
      return { ...behaviour, afterMs: durationMs(value) };
    case 'fake.nostart':
      return { ...behaviour, startError: value || 'exec: "fake": executable file not found in $PATH' };
    case 'fake.stubborn':
      return { ...behaviour, stubborn: true };
    case 'fake.stop':
      return { ...behaviour, stopMs: durationMs(value) };
    case 'fake.term':
      return { ...behaviour, stopCode: wholeNumber(value) };
    case 'fake.hang':
      return { ...behaviour, hangs: true };
    case 'fake.exec':
      return { ...behaviour, execCode: wholeNumber(value) };
    case 'fake.cpu':
      return { ...behaviour, cpuMillis: amount(value, milliValue) };
    case 'fake.memory':
      return { ...behaviour, memoryBytes: amount(value, intValue) };
    case 'fake.disk':
      return { ...behaviour, diskBytes: amount(value, intValue) };
    case 'fake.log':
      return { ...behaviour, lines: [...behaviour.lines, value] };
    default:
      return behaviour;
  }
}

function imageWords(image: string): string[] {
  const match = /^(?:.*\/)?fake\/([a-z]+)(?::([^@]*))?/.exec(image);
  if (!match) return [];
  const value = match[2] && match[2] !== 'latest' ? `=${match[2]}` : '';
  return [`fake.${match[1]}${value}`];
}

function split(text: string | undefined): string[] {
  return text ? text.split(/\s+/) : [];
}

function amount(text: string, read: (text: string) => number): number {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof QuantityError) return 0;
    throw error;
  }
}

function wholeNumber(text: string): number {
  const value = Number(text || '0');
  return Number.isInteger(value) ? value : 0;
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  return match ? Number(match[1]) * (unitMs[match[2] ?? ''] ?? 0) : 0;
}
