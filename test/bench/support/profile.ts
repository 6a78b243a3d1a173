import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchContext } from './bench.ts';
import { number, percent } from './figures.ts';

/** A `.cpuprofile` as V8 writes it. Times are microseconds of the machine's monotonic clock. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

type Frame = Profile['nodes'][number]['callFrame'];

/** What part of the server a frame belongs to: the first that fits, by its file or, for V8's own, by its name. */
const groups: readonly (readonly [name: string, fits: (frame: Frame) => boolean])[] = [
  ['idle', ({ functionName }) => functionName === '(idle)'],
  ['garbage collection', ({ functionName }) => functionName === '(garbage collector)'],
  ['native code (TLS, sockets, system calls)', ({ functionName }) => functionName === '(program)'],
  // V8 counts JSON.parse and JSON.stringify to those that call them; these do little else.
  ['JSON', ({ functionName }) => /^(parse|stringify|parseObject|parseBody|encodeObject|encode)$/.test(functionName)],
  ['writing to and reading from sockets', ({ url }) => url === '' || /node:(net|internal\/stream_base)/.test(url)],
  ['TLS', ({ url }) => /tls|crypto/.test(url)],
  ['HTTP/1', ({ url }) => /node:(_http|http|https|internal\/http\b)/.test(url)],
  ['HTTP/2 (to etcd)', ({ url }) => /http2/.test(url)],
  ['gRPC and protobuf (to etcd)', ({ url }) => /@grpc|protobufjs|etcd3|@protobufjs|\/long\//.test(url)],
  ['streams, events, timers, promises of Node', ({ url }) => url.startsWith('node:')],
  ['other packages', ({ url }) => url.includes('/node_modules/')],
  ['schema: decode, default, validate', ({ url }) => /\/shared\/(schema|kinds)\//.test(url)],
  ['store and watch cache', ({ url }) => url.includes('/control-plane/store/')],
  ['REST', ({ url }) => url.includes('/api/rest/')],
  ['request pipeline', ({ url }) => url.includes('/control-plane/api/')],
  ['scheduler', ({ url }) => /\/(scheduler|scheduling)\//.test(url)],
  ['controllers', ({ url }) => url.includes('/control-plane/controllers/')],
  ['informers and what else is shared', ({ url }) => url.includes('/shared/')],
];

/** A profile of a server, from `begin` to `end`: what comes before, as its start, is left out. */
export interface ServerProfile {
  /** For the Node that runs the server. */
  readonly flags: readonly string[];
  begin(): void;
  end(): void;
  /** Once the server has stopped. */
  report(): string[];
}

export function serverProfile(context: BenchContext): ServerProfile {
  const directory = context.directory();
  let [from, to] = [0, Number.POSITIVE_INFINITY];
  return {
    flags: ['--cpu-prof', '--cpu-prof-dir', directory, '--cpu-prof-interval', '500'],
    begin: () => {
      from = microseconds();
    },
    end: () => {
      to = microseconds();
    },
    report: () => profileReport(directory, [from, to]),
  };
}

/** By the clock that profiles are written in. */
function microseconds(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** Where the time of the processor went: by groups, then by functions. */
function profileReport(directory: string, window: readonly [from: number, to: number], top = 25): string[] {
  const file = readdirSync(directory).find((name) => name.endsWith('.cpuprofile'));
  if (!file) throw new Error(`no profile was written to ${directory}`);
  const profile = JSON.parse(readFileSync(join(directory, file), 'utf8')) as Profile;
  const self = selfTimes(profile, window);
  const busy = [...self].reduce((sum, [frame, time]) => (groupOf(frame) === 'idle' ? sum : sum + time), 0);
  const byGroup = sums(self, groupOf);
  const byFunction = sums(self, ({ functionName, url, lineNumber }) => {
    const place = url === '' ? '' : ` ${url.replace(/^.*\/(dist|node_modules)\//, '')}:${lineNumber + 1}`;
    return `${functionName || '(anonymous)'}${place}`;
  });
  const lines = (of: readonly (readonly [string, number])[]): string[] =>
    of
      .filter(([name]) => name !== 'idle' && name !== '(idle)')
      .map(([name, time]) => `${percent(time / busy)}  ${name}`);
  return [
    `the server's main thread was busy for ${number(busy / 1e6)} s; of that went to:`,
    ...lines(byGroup),
    'the functions with the most time of their own:',
    ...lines(byFunction).slice(0, top),
  ];
}

function groupOf(frame: Frame): string {
  return groups.find(([, fits]) => fits(frame))?.[0] ?? 'other';
}

function selfTimes({ nodes, startTime, samples, timeDeltas }: Profile, [from, to]: readonly [number, number]) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const self = new Map<Frame, number>();
  let at = startTime;
  for (const [i, id] of samples.entries()) {
    const took = timeDeltas[i + 1] ?? 0;
    at += timeDeltas[i] ?? 0;
    const frame = frames.get(id);
    if (frame && at >= from && at < to) self.set(frame, (self.get(frame) ?? 0) + took);
  }
  return self;
}

function sums(self: ReadonlyMap<Frame, number>, nameOf: (frame: Frame) => string): [string, number][] {
  const found = new Map<string, number>();
  for (const [frame, time] of self) found.set(nameOf(frame), (found.get(nameOf(frame)) ?? 0) + time);
  return [...found].sort(([, a], [, b]) => b - a);
}
