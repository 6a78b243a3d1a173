import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { startCluster, type TestCluster } from '../../support/cluster.ts';
import { complaintsOf, inWordsOf132, kubectlProgram } from '../../support/kubectl-program.ts';
import { masked } from './masked.ts';

/** Real kubectl and one cluster of three machines, which all themes share. */
export interface Suite {
  cluster(): TestCluster;
  /** A test with a namespace of its own, beside others. */
  promise(name: string, test: (space: Space) => Promise<void>): void;
  /** The same, for what others would feel: no other test runs meanwhile. */
  alone(name: string, test: (space: Space) => Promise<void>): void;
  /** Each sequence of commands that was run: `create secret tls` counts as `create`, `create secret` and itself. */
  readonly driven: ReadonlySet<string>;
}

export interface Ran {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** What it has written so far. */
  readonly so: { out: string; err: string };
  readonly done: Promise<Ran>;
}

export interface Options {
  /** All of its standard input; without it there is none. */
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Commands are split at spaces, but for what stands in single quotes. */
export interface Space {
  readonly name: string;
  readonly dir: string;
  run(command: string, options?: Options): Promise<Ran>;
  /** It must end with 0 and complain of nothing. Hands back its output. */
  ok(command: string, options?: Options): Promise<string>;
  /** One after the other, each must end with 0, complain of nothing, and print what stands beside it (masked). */
  says(expected: Readonly<Record<string, string | RegExp>>, options?: Options): Promise<void>;
  /** The same for those that must end with `code`, 1 by default: what stands beside each is its complaint. */
  fails(expected: Readonly<Record<string, string | RegExp>>, options?: Options & { code?: number }): Promise<void>;
  /** Its standard input stays open; killed when the test ends. */
  start(command: string, options?: Options): Running;
  /** Writes a file under the folder in which the commands run. */
  file(path: string, content: string | object): string;
  apply(...objects: object[]): Promise<void>;
}

const limitMs = 60_000;

export function kubectlSuite(): Suite {
  let cluster: TestCluster | undefined;
  let home = '';
  let spaces = 0;
  const driven = new Set<string>();
  const cleanups: (() => void)[] = [];

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'coracle-kubectl-e2e-'));
    cluster = await startCluster({ nodes: 3 });
  });
  afterAll(async () => {
    for (const cleanup of cleanups) cleanup();
    await cluster?.down();
    rmSync(home, { recursive: true, force: true });
  });

  const the = (): TestCluster => {
    if (!cluster) throw new Error('the cluster is not up');
    return cluster;
  };

  async function space(): Promise<Space> {
    spaces += 1;
    const name = `space-${process.pid}-${spaces}`;
    const dir = join(home, name);
    mkdirSync(dir);
    const kubeconfig = join(dir, 'kubeconfig');
    writeFileSync(kubeconfig, inNamespace(readFileSync(the().file.kubeconfig, 'utf8'), name), { mode: 0o600 });
    const base = { PATH: process.env.PATH, HOME: home, TERM: 'dumb', KUBECONFIG: kubeconfig };

    const start: Space['start'] = (command, { env = {} } = {}) => {
      const args = split(command);
      note(driven, args);
      const child = spawn(kubectlProgram, args, { cwd: dir, env: { ...base, ...env } });
      const so = { out: '', err: '' };
      child.stdout.setEncoding('utf8').on('data', (text) => {
        so.out += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text) => {
        so.err += text;
      });
      // It may end before it has read its input.
      child.stdin.on('error', () => undefined);
      const late = setTimeout(() => child.kill('SIGKILL'), limitMs);
      cleanups.push(() => child.kill('SIGKILL'));
      const done = new Promise<Ran>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code) => resolve({ code, out: inWordsOf132(so.out), err: complaintsOf(so.err) }));
      }).finally(() => clearTimeout(late));
      return { child, so, done };
    };
    const run: Space['run'] = (command, options = {}) => {
      const { child, done } = start(command, options);
      child.stdin?.end(options.input ?? '');
      return done;
    };
    const ok: Space['ok'] = async (command, options) => {
      const { code, out, err } = await run(command, options);
      expect({ command, code, err: complaints(err) }).toEqual({ command, code: 0, err: '' });
      return out;
    };
    const file: Space['file'] = (path, content) => {
      const whole = join(dir, path);
      mkdirSync(dirname(whole), { recursive: true });
      writeFileSync(whole, typeof content === 'string' ? content : JSON.stringify(content));
      return whole;
    };
    await ok(`create namespace ${name}`);
    return {
      name,
      dir,
      run,
      ok,
      start,
      file,
      async says(expected, options) {
        for (const [command, text] of Object.entries(expected)) {
          const { code, out, err } = await run(command, options);
          const said = { command, code, out: masked(out), err: masked(complaints(err)) };
          const wanted = typeof text === 'string' ? masked(text) : expect.stringMatching(text);
          expect(said).toEqual({ command, code: 0, out: wanted, err: '' });
        }
      },
      async fails(expected, options = {}) {
        for (const [command, text] of Object.entries(expected)) {
          const { code, err } = await run(command, options);
          const said = { command, code, err: masked(complaints(err)) };
          const wanted = typeof text === 'string' ? masked(text) : expect.stringMatching(text);
          expect(said).toEqual({ command, code: options.code ?? 1, err: wanted });
        }
      },
      async apply(...objects) {
        const items = { apiVersion: 'v1', kind: 'List', items: objects };
        await ok('apply --server-side -f -', { input: JSON.stringify(items) });
      },
    };
  }

  async function inSpace(test: (space: Space) => Promise<void>): Promise<void> {
    const own = await space();
    try {
      await test(own);
    } finally {
      await own.run(`delete namespace ${own.name} --wait=false`);
    }
  }

  return {
    cluster: the,
    driven,
    promise(name, test) {
      it.concurrent(name, async ({ onTestFailed }) => {
        onTestFailed(() => console.log(the().logs()));
        await inSpace(test);
      });
    },
    alone(name, test) {
      it(name, async ({ onTestFailed }) => {
        onTestFailed(() => console.log(the().logs()));
        await inSpace(test);
      });
    },
  };
}

/** Without our warnings of kinds that nothing acts on, which Kubernetes has not, and what kubectl's own log says. */
function complaints(err: string): string {
  return err.replace(/^(Warning: Coracle does not act on |[IWE]\d{4} ).*\n/gm, '');
}

/** The kubeconfig with a namespace that is meant when none is named. */
function inNamespace(kubeconfig: string, namespace: string): string {
  const config = parse(kubeconfig);
  config.contexts[0].context.namespace = namespace;
  return stringify(config);
}

function split(command: string): string[] {
  return (command.match(/(?:[^\s']|'[^']*')+/g) ?? []).map((word) => word.replaceAll("'", ''));
}

function note(driven: Set<string>, args: readonly string[]): void {
  const words = args.slice(0, Math.max(0, args.findIndex((word) => !/^[a-z-]+$/.test(word)) + 1) || undefined);
  for (let count = 1; count <= Math.min(3, words.length); count += 1) driven.add(words.slice(0, count).join(' '));
}

/** Deployment `name` of such pods. */
export function shellDeployment(name: string, replicas = 1, script?: string): object {
  const { metadata, spec } = shellPod(name, script);
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: metadata.labels },
      template: { metadata: { labels: metadata.labels }, spec },
    },
  };
}

/** A pod of one container with a shell, which runs `script` and ends immediately on its stop signal. */
export function shellPod(name: string, script = 'sleep 1000', spec: object = {}, container: object = {}) {
  const shell = { name: 'shell', image: 'coracle-demo/shell:1', command: ['sh', '-c', script], ...container };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 0, containers: [shell], ...spec },
  };
}
