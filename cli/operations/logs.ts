import { Buffer } from 'node:buffer';
import type { Pod } from '../../shared/generated/types.ts';
import type { LogOptions } from '../../shared/rpc/client.ts';
import type { Cluster } from '../cluster.ts';
import { parseDuration } from '../duration.ts';
import { UsageError } from '../io.ts';
import { containerOf, containersOf, podOf } from '../streams/pods.ts';

export interface LogsArgs {
  readonly pod?: string;
  readonly selector?: string;
  readonly container?: string;
  readonly allContainers: boolean;
  readonly prefix: boolean;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly tail?: number;
  readonly since?: string;
  readonly sinceTime?: string;
  readonly limitBytes?: number;
  readonly timestamps: boolean;
  readonly maxLogRequests: number;
}

interface Source {
  readonly pod: Pod;
  readonly container: string;
}

/** kubectl's default of --tail with a selector. */
const tailOfMany = 10;
const newline = 10;

export async function showLogs(cluster: Cluster, args: LogsArgs): Promise<void> {
  const sources = await sourcesOf(cluster, args);
  const options = optionsOf(args);
  if (!args.follow || sources.length === 1) {
    for (const source of sources) await show(cluster, source, options, args.prefix);
    return;
  }
  if (sources.length > args.maxLogRequests) {
    throw new UsageError(
      `you are attempting to follow ${sources.length} log streams, but maximum allowed concurrency is ${args.maxLogRequests}, use --max-log-requests to increase the limit`,
    );
  }
  await Promise.all(sources.map((source) => show(cluster, source, options, args.prefix)));
}

async function sourcesOf(cluster: Cluster, args: LogsArgs): Promise<Source[]> {
  const { client, namespace, io } = cluster;
  if (args.pod !== undefined && args.selector !== undefined) {
    throw new UsageError('only a selector (-l) or a POD name is allowed');
  }
  if (args.selector === undefined) {
    if (args.pod === undefined) throw new UsageError('a POD, KIND/NAME or a selector (-l) is needed');
    const pod = await podOf(cluster, args.pod);
    return args.allContainers ? allOf(pod) : [{ pod, container: containerOf(pod, args.container, io).name }];
  }
  const { items } = await client.list('Pod', { namespace, labelSelector: args.selector });
  if (items.length === 0) io.err(`No resources found in ${namespace} namespace.\n`);
  return items.flatMap((pod) =>
    args.allContainers ? allOf(pod) : [{ pod, container: containerOf(pod, args.container, io).name }],
  );
}

function allOf(pod: Pod): Source[] {
  return containersOf(pod).map(({ name }) => ({ pod, container: name }));
}

function optionsOf(args: LogsArgs): LogOptions {
  const { follow, previous, timestamps, limitBytes, since, sinceTime } = args;
  if (since && sinceTime) throw new UsageError('at most one of `sinceTime` or `sinceSeconds` may be specified');
  const tail = args.tail ?? (args.selector === undefined ? undefined : tailOfMany);
  return {
    follow,
    previous,
    timestamps,
    limitBytes,
    ...(tail === undefined || tail < 0 ? {} : { tailLines: tail }),
    ...(since ? { sinceSeconds: Math.ceil(parseDuration(since) / 1000) } : {}),
    ...(sinceTime ? { sinceTime } : {}),
  };
}

async function show(
  { client, namespace, io }: Cluster,
  { pod, container }: Source,
  options: LogOptions,
  prefixed: boolean,
): Promise<void> {
  const { name } = pod.metadata;
  const chunks = client.logs({ namespace, name }, { ...options, container }, io.signal);
  const prefix = prefixed ? Buffer.from(`[pod/${name}/${container}] `) : undefined;
  // Lines of concurrent logs must not be mixed.
  for await (const lines of prefix || options.follow ? wholeLines(chunks) : chunks) {
    await io.console.write('stdout', prefix ? withPrefix(lines, prefix) : lines);
  }
}

/** Chunks that end with a newline; the last one may not. */
async function* wholeLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : Buffer.from(chunk);
    const end = bytes.lastIndexOf(newline) + 1;
    if (end > 0) yield bytes.subarray(0, end);
    rest = bytes.subarray(end);
  }
  if (rest.length > 0) yield rest;
}

function withPrefix(lines: Uint8Array, prefix: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf(newline, at);
    const next = end < 0 ? lines.length : end + 1;
    parts.push(prefix, lines.subarray(at, next));
    at = next;
  }
  return Buffer.concat(parts);
}
