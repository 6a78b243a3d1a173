import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { expect } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { type Running, type Suite, shellDeployment, shellPod } from './suite.ts';

/** logs, exec, attach, cp, port-forward, proxy, debug, run. */
export function streams({ promise, cluster }: Suite): void {
  promise('shows logs: whole, their end, with times and names, of many, and what is still coming', async (space) => {
    const script = 'echo one; echo two; while [ ! -e /go ]; do sleep 0.1; done; echo last; exec sleep 1000';
    await space.apply(shellPod('talker', script), shellDeployment('d', 1, 'echo of-d; exec sleep 1000'));
    await space.ok('wait --for=condition=Ready pod --all --timeout=60s');
    await eventually(async () => (await space.ok('logs talker')) === 'one\ntwo\n', { timeoutMs: 10_000 });
    await space.says({
      'logs talker --tail=1': 'two',
      'logs talker --limit-bytes=3': 'one',
      'logs talker --timestamps': 'TIME one\nTIME two',
      'logs talker -c shell --since=1h': 'one\ntwo',
      'logs -l app=talker --prefix': '[pod/talker/shell] one\n[pod/talker/shell] two',
      'logs deployment/d': 'of-d',
      'logs talker --all-containers --prefix --tail=1': '[pod/talker/shell] two',
    });
    const following = space.start('logs -f talker --tail=1');
    await eventually(() => following.so.out === 'two\n', { timeoutMs: 20_000 });
    await space.ok('exec talker -- touch /go');
    await eventually(() => following.so.out === 'two\nlast\n', { timeoutMs: 20_000 });
    following.child.kill();
    await space.fails({
      'logs nope': `error: error from server (NotFound): pods "nope" not found in namespace "${space.name}"`,
      'logs talker -c nope': 'error: container nope is not valid for pod talker',
      'logs talker --previous':
        'Error from server (BadRequest): previous terminated container "shell" in pod "talker" not found',
    });
  });

  promise('runs commands in containers, hands on what they read and write, and ends as they do', async (space) => {
    await space.apply(shellPod('shell'), shellDeployment('d', 1));
    await space.ok('wait --for=condition=Ready pod --all --timeout=60s');
    await space.says({
      'exec shell -- echo hello': 'hello',
      "exec deployment/d -- sh -c 'echo $0' ": 'sh',
      'exec shell -c shell -i=false -- hostname': 'shell',
    });
    expect(await space.ok('exec -i shell -- cat', { input: 'in\nand out\n' })).toBe('in\nand out\n');
    expect(await space.run("exec shell -- sh -c 'echo out; echo err >&2; exit 3'")).toEqual({
      code: 3,
      out: 'out\n',
      err: 'err\ncommand terminated with exit code 3\n',
    });
    await space.fails({
      'exec nope -- true': 'Error from server (NotFound): pods "nope" not found',
      // Newer ones look for themselves.
      'exec shell -c nope -- true':
        /^(Error from server \(BadRequest\)|error): container nope is not valid for pod shell$/,
      'exec shell -- nosuch': /executable file `?"?nosuch`?"?:? .*not found in \$PATH|nosuch/,
    });
  });

  promise('attaches to a container, and runs pods whose output and end are its own', async (space) => {
    await space.apply(shellPod('reader', 'while read line; do echo got $line; done', {}, { stdin: true }));
    await space.ok('wait --for=condition=Ready pod/reader --timeout=60s');
    const attached = space.start('attach reader -i');
    await eventually(
      async () => {
        if (attached.so.out.includes('got word')) return true;
        attached.child.stdin?.write('word\n');
        return false;
      },
      { timeoutMs: 20_000, everyMs: 200 },
    );
    attached.child.kill();
    const once = await space.run(
      "run once --image=coracle-demo/shell:1 --restart=Never --rm --attach --quiet -- sh -c 'sleep 1; echo once; exit 4'",
    );
    expect(once).toMatchObject({ code: 4, out: expect.stringMatching(/^once\n/) });
    await space.fails({ 'get pod once': 'Error from server (NotFound): pods "once" not found' });
    await space.says({
      'run plain --image=coracle-demo/shell:1 --env=A=b --labels=x=y --command -- sh -c env': 'pod/plain created',
      "get pod plain -o jsonpath='{.metadata.labels} {.spec.containers[0].env} {.spec.containers[0].command}'":
        '{"x":"y"} [{"name":"A","value":"b"}] ["sh","-c","env"]',
    });
    await space.fails({ 'run plain --image=x': 'Error from server (AlreadyExists): pods "plain" already exists' });
  });

  promise('copies files and folders both ways', async (space) => {
    await space.apply(shellPod('box'));
    await space.ok('wait --for=condition=Ready pod/box --timeout=60s');
    space.file('from/a.txt', 'a\n');
    space.file('from/deep/b.txt', 'b\n');
    await space.says({ 'cp from box:/tmp/there': '', 'exec box -- cat /tmp/there/deep/b.txt': 'b' });
    await space.run('cp box:/tmp/there back');
    expect(readFileSync(join(space.dir, 'back/a.txt'), 'utf8')).toBe('a\n');
    expect(readFileSync(join(space.dir, 'back/deep/b.txt'), 'utf8')).toBe('b\n');
    await space.fails({ 'cp box:/x box:/y': 'error: one of src or dest must be a local file specification' });
  });

  promise('forwards ports to pods of every node, and serves the API to who has no credentials', async (space) => {
    const page = 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 8080 -h /www';
    await space.apply(shellPod('web', page, { nodeName: cluster().machine(3).name }));
    await space.ok('wait --for=condition=Ready pod/web --timeout=60s');
    const forwarding = space.start('port-forward pod/web :8080');
    const [, port] = await matching(forwarding, /^Forwarding from 127\.0\.0\.1:(\d+) -> 8080$/m);
    expect(await page200(`http://127.0.0.1:${port}/`)).toBe('page\n');
    forwarding.child.kill();
    const free = await freePort();
    const proxy = space.start(`proxy --port=${free}`);
    await matching(proxy, /^Starting to serve on 127\.0\.0\.1:\d+$/m);
    const pods = JSON.parse(await page200(`http://127.0.0.1:${free}/api/v1/namespaces/${space.name}/pods`));
    expect(pods.items.map((pod: { metadata: { name: string } }) => pod.metadata.name)).toEqual(['web']);
    // Through the API into a pod of another machine, by its name and by a service's.
    await space.run('expose pod web --port=80 --target-port=8080 --name=site');
    const home = `/api/v1/namespaces/${space.name}`;
    expect(await page200(`http://127.0.0.1:${free}${home}/pods/web:8080/proxy/index.html`)).toBe('page\n');
    expect(await page200(`http://127.0.0.1:${free}${home}/services/site/proxy/`)).toBe('page\n');
    proxy.child.kill();
    await space.says({
      [`get --raw ${home}/services/http:site:80/proxy/`]: 'page',
      [`get --raw /api/v1/nodes/${cluster().machine(3).name}/proxy/healthz`]: 'ok',
    });
    await space.fails({
      [`get --raw ${home}/services/site:81/proxy/`]:
        'Error from server (ServiceUnavailable): no service port 81 found for service "site"',
      [`get --raw ${home}/pods/nope/proxy/`]: 'Error from server (NotFound): pods "nope" not found',
    });
    await space.fails({ 'port-forward pod/nope 8080': 'Error from server (NotFound): pods "nope" not found' });
  });

  promise('debugs a pod from within, from a copy of it, and a node', async (space) => {
    await space.apply(shellPod('sick', 'exec sleep 1000'));
    await space.ok('wait --for=condition=Ready pod/sick --timeout=60s');
    const image = '--image=coracle-demo/shell:1 --profile=general';
    const within = await space.run(
      `debug sick ${image} --container=helper --target=shell --attach=false -- sh -c 'ps; exec sleep 1000'`,
    );
    expect(within.code).toBe(0);
    await eventually(async () => (await space.ok('logs sick -c helper')).includes('sleep 1000'), { timeoutMs: 30_000 });
    const copied = await space.run(
      `debug sick ${image} --copy-to=copy --set-image=shell=coracle-demo/web:1 --attach=false`,
    );
    expect(copied.code).toBe(0);
    await space.says({
      "get pod copy -o jsonpath='{.spec.containers[0].image}'": 'coracle-demo/web:1',
    });
    const node = cluster().machine(1).name;
    const onNode = await space.run(`debug node/${node} ${image} --attach=false -- ls /host`);
    expect(onNode.code).toBe(0);
    expect(onNode.out + onNode.err).toMatch(
      /^Creating debugging pod node-debugger-node-1-\w{5} with container debugger on node node-1\.$/m,
    );
    const pod = (await space.ok('get pods -o name')).split('\n').find((name) => name.startsWith('pod/node-debugger'));
    await eventually(async () => (await space.ok(`logs ${pod}`)).includes('proc\n'), { timeoutMs: 30_000 });
    await space.fails({ [`debug nope ${image}`]: 'Error from server (NotFound): pods "nope" not found' });
  });
}

async function matching(running: Running, pattern: RegExp): Promise<RegExpExecArray> {
  return eventually(() => pattern.exec(running.so.out) ?? undefined, {
    timeoutMs: 20_000,
    what: `${pattern} in ${JSON.stringify(running.so)}`,
  });
}

function page200(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, timeout: 10_000 }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(parts).toString());
        else reject(new Error(`${url}: ${response.statusCode}`));
      });
    });
    request.on('timeout', () => request.destroy(new Error(`${url} does not answer`)));
    request.on('error', reject);
  });
}
