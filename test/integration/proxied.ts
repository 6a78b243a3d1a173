import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Container, Pod } from '../../shared/generated/types.ts';
import type { DockerCluster } from '../support/docker-cluster.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { type Kubectl, serveKubectl } from '../support/kubectl.ts';

interface Parts {
  cluster(): DockerCluster;
  kubectl(): Kubectl;
  /** A running pod that does nothing but hold this word among a process' arguments. */
  podHolding(name: string, word: string, more: Partial<Container>): Promise<string>;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly trailers: IncomingMessage['trailers'];
}

const mebibyte = 2 ** 20;

/** What is behind `pods/proxy`, `services/proxy` and `nodes/proxy`, with a server of many sorts in a pod's network. */
export function proxied({ cluster, kubectl, podHolding }: Parts): void {
  const home = '/api/v1/namespaces/default';
  const pod = `${home}/pods/site:8080/proxy`;
  let server: ChildProcess;

  beforeAll(async () => {
    const ports = [{ name: 'web', containerPort: 8080 }];
    const pid = await podHolding('site', `7${Date.now()}`, { ports });
    const pair = await cluster().authority.issueServer({ commonName: 'site', names: ['elsewhere'] });
    const program = fileURLToPath(new URL('../support/proxied-server.ts', import.meta.url));
    const node = [process.execPath, '--import', 'tsx', program, JSON.stringify(pair)];
    server = spawn('nsenter', [`--net=/proc/${pid}/ns/net`, ...node], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (server.stdout) await once(server.stdout, 'data');
    const labelled = { type: 'merge', body: { metadata: { labels: { app: 'site' } } } } as const;
    await cluster().client.patch('Pod', 'site', labelled, { namespace: 'default' });
    const spec = {
      selector: { app: 'site' },
      ports: [
        { name: 'http', port: 80, targetPort: 'web' },
        { name: 'tls', port: 443, targetPort: 8443 },
        { name: 'nobody', port: 81, targetPort: 9 },
      ],
    };
    await cluster().client.create('Service', { metadata: { name: 'site', namespace: 'default' }, spec });
    const only = { selector: { app: 'site' }, ports: [{ port: 80, targetPort: 8080 }] };
    await cluster().client.create('Service', { metadata: { name: 'single', namespace: 'default' }, spec: only });
    const nobody = { selector: { app: 'nobody' }, ports: [{ port: 80 }] };
    await cluster().client.create('Service', { metadata: { name: 'empty', namespace: 'default' }, spec: nobody });
  });
  afterAll(() => {
    server?.kill('SIGKILL');
  });

  function optionsOf(path: string, more: RequestOptions = {}): RequestOptions {
    const { port, ca, admin } = kubectl();
    const own = { host: '127.0.0.1', port, ca, cert: admin.certificate, key: admin.key };
    return { ...own, path, agent: false, ...more };
  }

  function ask(method: string, path: string, more: RequestOptions & { body?: Buffer } = {}): Promise<Answer> {
    const { body, ...options } = more;
    return new Promise((resolve, reject) => {
      const sent = httpsRequest(optionsOf(path, { ...options, method }), (response) => {
        const parts: Buffer[] = [];
        response.on('data', (data: Buffer) => parts.push(data));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode = 0, headers, trailers } = response;
          resolve({ status: statusCode, headers, trailers, body: Buffer.concat(parts) });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  const json = ({ body }: Answer) => JSON.parse(body.toString());
  const failure = async (path: string): Promise<[number, string, string]> => {
    const answer = await ask('GET', path);
    const { reason, message } = json(answer);
    return [answer.status, reason, message];
  };

  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    '%s is passed on, with what belongs to it',
    async (method) => {
      const body = method === 'GET' ? undefined : randomBytes(300_000);
      const headers = {
        'X-Mine': ['a', 'b'],
        Authorization: 'Basic c2VjcmV0',
        ...(body ? { 'content-length': body.length } : {}),
      };
      const answer = await ask(method, `${pod}/tell?q=a%20b&q=/`, { headers, ...(body ? { body } : {}) });
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({ 'x-method': method, 'set-cookie': ['a=1', 'b=2'] });
      const told = json(answer);
      expect(told).toMatchObject({ method, url: '/tell?q=a%20b&q=/', length: body?.length ?? 0 });
      if (body) expect(told.sha1).toBe(createHash('sha1').update(body).digest('hex'));
      expect(told.headers).toMatchObject({
        host: `127.0.0.1:${kubectl().port}`,
        'x-mine': 'a, b',
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-uri': `${pod}/tell`,
      });
      expect(told.headers.authorization).toBeUndefined();
    },
  );

  it('HEAD is forwarded and answered without a body', async () => {
    const answer = await ask('HEAD', `${pod}/tell`);
    expect([answer.status, answer.headers['x-method'], answer.body.length]).toEqual([200, 'HEAD', 0]);
  });

  it('a body without a length is passed on in pieces, and an answer with its trailers', async () => {
    const body = randomBytes(100_000);
    const answer = await ask('DELETE', `${pod}/tell`, { body, headers: { 'Transfer-Encoding': 'chunked' } });
    expect(json(answer)).toMatchObject({ length: body.length, headers: { 'transfer-encoding': 'chunked' } });
    const { body: said, trailers } = await ask('GET', `${pod}/trailers`);
    expect([said.toString(), trailers]).toEqual(['body', { 'x-sum': '4' }]);
  });

  it('bodies travel both ways at once, as they come, and no faster than they are taken', async () => {
    const sent = httpsRequest(
      optionsOf(`${pod}/echo`, { method: 'POST', headers: { 'Transfer-Encoding': 'chunked' } }),
    );
    sent.write('first');
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    expect(String((await once(response, 'data'))[0])).toBe('first');
    response.pause();
    // Nobody reads: what is in between holds so much and no more.
    const before = process.memoryUsage.rss();
    const piece = Buffer.alloc(mebibyte, 1);
    let taken = 0;
    while (sent.write(piece)) taken++;
    const idle = setTimeout(() => sent.emit('still'), 2_000);
    sent.on('drain', () => {
      if (taken >= 256) return;
      taken++;
      idle.refresh();
      sent.write(piece);
    });
    await once(sent, 'still');
    expect(taken).toBeLessThan(64);
    expect(process.memoryUsage.rss() - before).toBeLessThan(96 * mebibyte);
    sent.removeAllListeners('drain');
    let size = 0;
    response.on('data', (data: Buffer) => {
      size += data.length;
    });
    response.resume();
    sent.end('last');
    await once(response, 'end');
    expect(size % mebibyte).toBe('last'.length);
  });

  it('a body may come for as long as it likes, though other requests must come in time', async () => {
    const { controlPlane, authority } = cluster();
    const hurried = await serveKubectl({ controlPlane, authority, requestMs: 400 });
    const post = (path: string) => {
      const { port, ca, admin } = hurried;
      const own = { port, ca, cert: admin.certificate, key: admin.key };
      return httpsRequest(optionsOf(path, { ...own, method: 'POST', headers: { 'Transfer-Encoding': 'chunked' } }));
    };
    try {
      const late = post(`${home}/configmaps`);
      late.write('{');
      const [refused] = (await once(late, 'response')) as [IncomingMessage];
      expect(refused.statusCode).toBe(408);
      late.destroy();
      const echoed = post(`${pod}/echo`);
      echoed.write('a');
      const [response] = (await once(echoed, 'response')) as [IncomingMessage];
      const started = performance.now();
      // Each piece is sent when the one before has come back.
      for await (const data of response) {
        expect(String(data)).toBe('a');
        if (performance.now() - started > 2_000) echoed.end();
        else await new Promise((resolve) => setTimeout(resolve, 100)).then(() => echoed.write('a'));
      }
      expect(performance.now() - started).toBeGreaterThan(2_000);
    } finally {
      await hurried.close();
    }
  });

  it('an answer keeps its status, and one that breaks off does not seem whole', async () => {
    const answer = await ask('GET', `${pod}/teapot`);
    expect([answer.status, answer.headers['x-kind'], answer.body.toString()]).toEqual([
      418,
      'teapot',
      'short and stout',
    ]);
    expect(answer.headers['cache-control']).toBe('no-cache, private');
    await expect(ask('GET', `${pod}/cut`)).rejects.toThrow('aborted');
  });

  it('links and redirects of a page lead through the proxy', async () => {
    const through = `<html><a href="${pod}/next">next</a> <a href="beside">beside</a> <img src="//example.com/x.png"></html>`;
    expect((await ask('GET', `${pod}/page`)).body.toString()).toBe(through);
    const packed = await ask('GET', `${pod}/packed-page`);
    expect(gunzipSync(packed.body).toString()).toBe(through);
    expect((await ask('GET', `${pod}/away`)).headers.location).toBe(`${pod}/next?q=1`);
    const root = await ask('GET', `${pod}?q=1`);
    expect([root.status, root.headers.location]).toEqual([301, `${pod}/?q=1`]);
  });

  it('a pod is named with a scheme and a port, or by its first port; a certificate is taken as it is', async () => {
    const urlAt = async (name: string) => json(await ask('GET', `${home}/pods/${name}/proxy/tell`)).url;
    for (const name of ['site', 'http:site:', 'http:site:8080', 'https:site:8443'])
      expect(await urlAt(name)).toBe('/tell');
  });

  it('a service is named by the number or the name of its port', async () => {
    const statusOf = async (name: string) => (await ask('GET', `${home}/services/${name}/proxy/tell`)).status;
    for (const name of [
      'site:80',
      'site:http',
      'http:site:http',
      'https:site:tls',
      'https:site:443',
      'single',
      'single:80',
    ]) {
      expect([name, await statusOf(name)]).toEqual([name, 200]);
    }
  });

  it('an unreachable target is reported in Kubernetes’ words', async () => {
    const refused = /^error trying to reach service: dial tcp 10\.95\.\d+\.\d+:9: connect: connection refused$/;
    expect(await failure(`${home}/pods/site:9/proxy/`)).toEqual([
      503,
      'ServiceUnavailable',
      expect.stringMatching(refused),
    ]);
    expect(await failure(`${home}/services/site:81/proxy/`)).toEqual([
      503,
      'ServiceUnavailable',
      expect.stringMatching(refused),
    ]);
    // As from anywhere else: the loopback of a pod is its own.
    expect(await failure(`${home}/pods/site:8081/proxy/tell`)).toEqual([
      503,
      'ServiceUnavailable',
      expect.stringContaining(':8081: connect: connection refused'),
    ]);
    expect(await failure(`${home}/pods/https:site:8080/proxy/`)).toEqual([
      503,
      'ServiceUnavailable',
      'error trying to reach service: http: server gave HTTP response to HTTPS client',
    ]);
    expect(await failure(`${pod}/gone`)).toEqual([503, 'ServiceUnavailable', 'error trying to reach service: EOF']);
    expect(await failure(`${home}/pods/nobody/proxy/`)).toEqual([404, 'NotFound', 'pods "nobody" not found']);
    expect(await failure(`${home}/pods/ftp:site:21/proxy/`)).toEqual([
      400,
      'BadRequest',
      'invalid pod request "ftp:site:21"',
    ]);
    expect(await failure(`${home}/services/nobody/proxy/`)).toEqual([404, 'NotFound', 'endpoints "nobody" not found']);
    expect(await failure(`${home}/services/nobody:80/proxy/`)).toEqual([
      404,
      'NotFound',
      'services "nobody" not found',
    ]);
    expect(await failure(`${home}/services/site:82/proxy/`)).toEqual([
      503,
      'ServiceUnavailable',
      'no service port 82 found for service "site"',
    ]);
    expect(await failure(`${home}/services/site/proxy/`)).toEqual([
      503,
      'ServiceUnavailable',
      'no endpoints available for service "site"',
    ]);
    expect(await failure(`${home}/services/http:empty:80/proxy/`)).toEqual([
      503,
      'ServiceUnavailable',
      'no endpoints available for service "empty"',
    ]);
    expect(await failure('/api/v1/nodes/nobody/proxy/pods')).toEqual([404, 'NotFound', 'nodes "nobody" not found']);
  });

  it('an unauthorized user is refused, by the verb of the method and the name in the URL', async () => {
    const eve = await cluster().authority.issueClient({ user: 'eve', groups: [] });
    const as = { cert: eve.certificate, key: eve.key };
    const refused = json(await ask('GET', `${pod}/tell`, as));
    expect([refused.code, refused.message]).toEqual([
      403,
      'pods "site:8080" is forbidden: User "eve" cannot get resource "pods/proxy" in API group "" in the namespace "default"',
    ]);
    const role = ['create', 'role', 'sees-site', '--verb=get', '--resource=pods/proxy', '--resource-name=site:8080'];
    await kubectl().run(role);
    await kubectl().run(['create', 'rolebinding', 'eve-sees-site', '--role=sees-site', '--user=eve']);
    await eventually(async () => (await ask('GET', `${pod}/tell`, as)).status === 200);
    expect((await ask('POST', `${pod}/tell`, as)).status).toBe(403);
    expect((await ask('GET', `${home}/pods/site/proxy/tell`, as)).status).toBe(403);
  });

  it('a WebSocket is passed through, and a refusal to begin one is handed on', async () => {
    const open = (path: string) => {
      const { port, ca, admin } = kubectl();
      return new WebSocket(`wss://127.0.0.1:${port}${path}`, ['chat'], { ca, cert: admin.certificate, key: admin.key });
    };
    const socket = open(`${pod}/socket`);
    const [greeting] = await once(socket, 'message');
    expect(socket.protocol).toBe('chat');
    expect(JSON.parse(String(greeting))).toMatchObject({ upgrade: 'websocket', 'x-forwarded-for': '127.0.0.1' });
    const large = randomBytes(3 * mebibyte);
    socket.send(large);
    const [back] = await once(socket, 'message');
    expect((back as Buffer).equals(large)).toBe(true);
    socket.close(4000, 'enough');
    expect((await once(socket, 'close'))[0]).toBe(4000);
    const refused = open(`${pod}/elsewhere`);
    refused.on('error', () => undefined);
    const [, response] = (await once(refused, 'unexpected-response')) as [unknown, IncomingMessage];
    expect([response.statusCode, String((await once(response, 'data'))[0])]).toEqual([403, 'no way']);
    refused.terminate();
  });

  it('`kubectl proxy` and `get --raw` reach what is in a pod', async () => {
    const raw = await kubectl().run(['get', '--raw', `${home}/services/site:http/proxy/tell?x=1`]);
    expect(JSON.parse(raw.out)).toMatchObject({ method: 'GET', url: '/tell?x=1' });
    const port = await freePort();
    const proxy = kubectl().start(['proxy', `--port=${port}`]);
    try {
      await eventually(() => proxy.so.out.includes('Starting to serve'));
      const url = `http://127.0.0.1:${port}${home}/services/site:http/proxy`;
      const page = await fetch(`${url}/page`);
      expect(await page.text()).toContain(`href="${home}/services/site:http/proxy/next"`);
      expect((await fetch(`${url}/away`, { redirect: 'manual' })).headers.get('location')).toBe(
        `${home}/services/site:http/proxy/next?q=1`,
      );
    } finally {
      proxy.child.kill('SIGKILL');
    }
  });

  describe('a node’s agent', () => {
    const raw = async (path: string) => kubectl().run(['get', '--raw', `/api/v1/nodes/node-1/proxy${path}`]);

    it('returns its health, its pods and their usage', async () => {
      expect((await raw('/healthz')).out).toBe('ok');
      const pods = JSON.parse((await raw('/pods')).out);
      expect(pods).toMatchObject({ kind: 'PodList', apiVersion: 'v1' });
      const site = pods.items.find((one: Pod) => one.metadata.name === 'site');
      expect(site).toMatchObject({ spec: { nodeName: 'node-1' }, status: { phase: 'Running' } });
      expect(site.kind).toBeUndefined();
      const summary = await eventually(async () => {
        const found = JSON.parse((await raw('/stats/summary')).out);
        const one = found.pods.find((each: { podRef: { name: string } }) => each.podRef.name === 'site');
        return one?.cpu?.usageNanoCores !== undefined && { node: found.node, pod: one };
      });
      const measured = {
        cpu: { usageCoreNanoSeconds: expect.any(Number) },
        memory: { workingSetBytes: expect.any(Number) },
      };
      expect(summary.node).toMatchObject({ nodeName: 'node-1', ...measured });
      expect(summary.pod).toMatchObject({
        podRef: { namespace: 'default' },
        containers: [{ name: 'app', ...measured }],
        ...measured,
      });
      expect((await raw('/metrics')).out).toMatch(/^coracle_agent_ready 1$/m);
      const resource = (await raw('/metrics/resource')).out;
      expect(resource).toMatch(
        /^container_cpu_usage_seconds_total\{container="app",namespace="default",pod="site"\} /m,
      );
      expect(resource).not.toContain('coracle_agent');
    });

    it('gives containers’ logs', async () => {
      expect((await raw('/containerLogs/default/site/app')).out).toBe('one\ntwo\n');
      expect((await raw('/containerLogs/default/site/app?tailLines=1')).out).toBe('two\n');
      const refusal = async (path: string) => {
        const { status, body } = await ask('GET', `/api/v1/nodes/node-1/proxy/containerLogs/default/${path}`);
        return [status, body.toString()];
      };
      expect(await refusal('site/other')).toEqual([404, 'container "other" not found in pod "site"\n']);
      expect(await refusal('nobody/app')).toEqual([404, 'pod "nobody" does not exist\n']);
      expect(await refusal('site/app?tailLines=x')).toEqual([422, '{"message": "Invalid request."}\n']);
    });

    it('has nothing else', async () => {
      const statusOf = async (method: string, path: string) =>
        (await ask(method, `/api/v1/nodes/node-1/proxy${path}`)).status;
      expect(await statusOf('GET', '/run/default/site/app')).toBe(404);
      expect(await statusOf('GET', '/logs/')).toBe(404);
      expect(await statusOf('GET', '/constructor')).toBe(404);
      expect(await statusOf('POST', '/pods')).toBe(405);
      expect((await ask('GET', '/api/v1/nodes/node-1:10250/proxy/healthz')).status).toBe(200);
      expect((await ask('GET', '/api/v1/nodes/node-1:22/proxy/')).status).toBe(400);
    });
  });
}
