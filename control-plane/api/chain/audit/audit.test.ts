import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../shared/clock.ts';
import { ApiError } from '../../../../shared/errors.ts';
import { silentLog } from '../../../../shared/log.ts';
import { systemRandom as random } from '../../../../shared/random.ts';
import type { Identity } from '../../auth/identity.ts';
import { Auditor } from './auditor.ts';
import { AuditLogFile, type AuditSink } from './log-file.ts';
import { type AuditedRequest, decideAudit, parsePolicy } from './policy.ts';
import type { Received } from './trail.ts';

const ann: Identity = { user: 'ann', groups: ['devs', 'system:authenticated'] };
const policyOf = (rules: string) => parsePolicy(`{apiVersion: audit.k8s.io/v1, kind: Policy, ${rules}}`);
const pods: AuditedRequest = { identity: ann, verb: 'get', group: '', resource: 'pods', namespace: 'a', name: 'p' };

describe('an audit policy', () => {
  const level = (rules: string, request: Partial<AuditedRequest> = {}): string =>
    decideAudit(policyOf(`rules: [${rules}]`), { ...pods, ...request }).level;

  it('is decided by the first rule that matches; a request that no rule matches is not written', () => {
    expect(level('{level: Request, users: [bob]}, {level: Metadata}, {level: RequestResponse}')).toBe('Metadata');
    expect(level('{level: Request, users: [bob]}')).toBe('None');
  });

  it('matches users, groups, verbs, namespaces, resources and paths as Kubernetes does', () => {
    expect(level('{level: Metadata, userGroups: [x, devs], verbs: [get], namespaces: [a]}')).toBe('Metadata');
    expect(level('{level: Metadata, namespaces: [b]}')).toBe('None');
    const podsOnly = '{level: Metadata, resources: [{group: "", resources: [pods]}]}';
    expect(level(podsOnly)).toBe('Metadata');
    expect(level(podsOnly, { subresource: 'log' })).toBe('None');
    expect(level('{level: Metadata, resources: [{resources: ["pods/*"]}]}', { subresource: 'log' })).toBe('Metadata');
    expect(level('{level: Metadata, resources: [{resources: ["pods/*"]}]}')).toBe('Metadata');
    expect(level('{level: Metadata, resources: [{resources: ["*/log"]}]}', { subresource: 'log' })).toBe('Metadata');
    expect(level('{level: Metadata, resources: [{group: apps}]}')).toBe('None');
    expect(level('{level: Metadata, resources: [{resources: [pods], resourceNames: [q]}]}')).toBe('None');
    const path = { resource: undefined, path: '/healthz/etcd' };
    expect(level('{level: Metadata, nonResourceURLs: ["/healthz*"]}', path)).toBe('Metadata');
    expect(level('{level: Metadata, resources: [{group: ""}]}', path)).toBe('None');
    expect(level('{level: Metadata}', path)).toBe('Metadata');
  });

  it('writes the bodies of Secrets only where a rule names them', () => {
    const secrets = { resource: 'secrets' };
    expect(level('{level: RequestResponse}', secrets)).toBe('Metadata');
    expect(level('{level: RequestResponse, resources: [{group: "", resources: ["*"]}]}', secrets)).toBe('Metadata');
    expect(level('{level: RequestResponse, resources: [{group: "", resources: [secrets]}]}', secrets)).toBe(
      'RequestResponse',
    );
    expect(level('{level: Request}', { resource: 'serviceaccounts', subresource: 'token' })).toBe('Metadata');
  });

  it.each([
    ['[', 'is no YAML'],
    ['apiVersion: v1', 'must be a Policy of audit.k8s.io/v1'],
    ['{apiVersion: audit.k8s.io/v1, kind: Policy}', 'has no rules'],
    ['{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: All}]}', 'rules[0].level: one of None'],
    ['{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: None, verb: [get]}]}', 'unknown field "verb"'],
    ['{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: None, omitStages: [Begin]}]}', '"Begin" is none of'],
    [
      '{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: None, nonResourceURLs: [healthz]}]}',
      "begin with a '/'",
    ],
    [
      '{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: None, nonResourceURLs: ["/a*b"]}]}',
      'final character',
    ],
    ['{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: None, resources: [{group: apps/v1}]}]}', 'no group'],
    [
      '{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: None, resources: [{resourceNames: [a]}]}]}',
      'requires at least one resource',
    ],
    [
      '{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: None, namespaces: [a], nonResourceURLs: ["*"]}]}',
      'cannot apply to both',
    ],
  ])('that is wrong says where: %s', (text, why) => {
    expect(() => parsePolicy(text)).toThrow(why);
  });
});

class Lines implements AuditSink {
  readonly lines: string[] = [];
  room = true;
  async write(line: string): Promise<void> {
    if (!this.room) throw new Error('the disk is full');
    this.lines.push(line);
  }
  offer(line: string, always = false): boolean {
    if (this.room || always) this.lines.push(line);
    return this.room || always;
  }
  close = async (): Promise<void> => undefined;
  // biome-ignore lint/suspicious/noExplicitAny: what stands in the log
  get events(): any[] {
    return this.lines.map((line) => JSON.parse(line));
  }
}

describe('a trail', () => {
  const received = (more: Partial<Received> = {}): Received => ({
    request: { ...pods, version: 'v1' },
    uri: '/api/v1/x',
    sourceIPs: ['10.0.0.1'],
    auditID: 'id-1',
    userAgent: 'kubectl',
    ...more,
  });
  const auditorOf = (rules: string, sink: AuditSink, strict = false, registry?: Registry): Auditor =>
    new Auditor({
      clock: systemClock,
      random,
      log: silentLog,
      registry,
      audit: { policy: policyOf(rules), sink, strict },
    });

  it('has the sender, the target, the times and the outcome of a request', async () => {
    const sink = new Lines();
    const trail = await auditorOf('rules: [{level: Metadata}]', sink).begin(
      received({ impersonator: { user: 'root', groups: [] } }),
    );
    trail?.request({ hidden: true });
    trail?.decided({ allowed: false, reason: 'no role' });
    trail?.failed(new ApiError('Forbidden', 'you may not'));
    trail?.complete(403);
    const [first, second] = sink.events;
    expect(first).toMatchObject({ stage: 'RequestReceived', auditID: 'id-1', level: 'Metadata', kind: 'Event' });
    expect(second).toMatchObject({
      apiVersion: 'audit.k8s.io/v1',
      stage: 'ResponseComplete',
      requestURI: '/api/v1/x',
      verb: 'get',
      user: { username: 'root' },
      impersonatedUser: { username: 'ann', groups: ann.groups },
      sourceIPs: ['10.0.0.1'],
      userAgent: 'kubectl',
      objectRef: { resource: 'pods', namespace: 'a', name: 'p', apiVersion: 'v1' },
      responseStatus: { metadata: {}, status: 'Failure', message: 'you may not', reason: 'Forbidden', code: 403 },
      annotations: { 'authorization.k8s.io/decision': 'forbid', 'authorization.k8s.io/reason': 'no role' },
    });
    expect(second.requestReceivedTimestamp).toMatch(/^\d{4}-.*\.\d{6}Z$/);
    expect(sink.lines.join()).not.toContain('hidden');
  });

  it('has the bodies of its level, without managed fields if the policy omits them, and none that is too large', async () => {
    const sink = new Lines();
    const auditor = auditorOf(
      'omitStages: [RequestReceived], omitManagedFields: true, rules: [{level: RequestResponse}]',
      sink,
    );
    const object = { metadata: { name: 'p', managedFields: [{}] } };
    const small = await auditor.begin(received());
    small?.request(object);
    small?.response({ items: [object] });
    small?.complete(200);
    const large = await auditor.begin(received());
    large?.request({ text: 'x'.repeat(2_000_000) });
    large?.complete(200);
    const many = await auditor.begin(received());
    many?.response({ items: new Array(10_000).fill(object) });
    many?.complete(200);
    const [whole, ...cut] = sink.events;
    expect(whole.requestObject).toEqual({ metadata: { name: 'p' } });
    expect(whole.responseObject).toEqual({ items: [{ metadata: { name: 'p' } }] });
    for (const event of cut) {
      expect(event.annotations['audit.k8s.io/truncated']).toBe('true');
      expect(event.requestObject ?? event.responseObject).toBeUndefined();
    }
    expect(cut).toHaveLength(2);
    expect(object.metadata.managedFields).toEqual([{}]);
  });

  it('has an event for the start of a stream, and Panic for an unexpected error', async () => {
    const sink = new Lines();
    const trail = await auditorOf('rules: [{level: Metadata}]', sink).begin(received());
    trail?.started(200);
    trail?.complete(500, true);
    expect(sink.events.map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseStarted', 'Panic']);
  });

  it('drops and counts events when too many wait, and delays no request', async () => {
    const sink = new Lines();
    sink.room = false;
    const registry = new Registry();
    const trail = auditorOf('rules: [{level: Metadata}]', sink, false, registry).begin(received());
    expect(trail).not.toBeInstanceOf(Promise);
    expect(await registry.metrics()).toContain('apiserver_audit_error_total{plugin="log"} 1');
  });

  it('in strict mode refuses a request whose first event cannot be written, and drops no event of those admitted', async () => {
    const sink = new Lines();
    const auditor = auditorOf('rules: [{level: Metadata}]', sink, true);
    const trail = await auditor.begin(received());
    sink.room = false;
    trail?.complete(200);
    expect(sink.events.map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseComplete']);
    await expect(auditor.begin(received())).rejects.toMatchObject({ reason: 'InternalError' });
    expect(() => auditorOf('omitStages: [RequestReceived], rules: [{level: None}]', sink, true)).toThrow(
      'may not omit',
    );
  });

  it('takes the id of a client if it is valid', () => {
    const auditor = new Auditor({ clock: systemClock, random, log: silentLog });
    expect(auditor.idOf('my-id.1')).toBe('my-id.1');
    for (const bad of [undefined, 'a b', '{"x":1}', 'x'.repeat(65)])
      expect(auditor.idOf(bad)).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('the log file', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coracle-audit-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('keeps the order, is rotated when it is full, and keeps a bounded number of rotated files', async () => {
    const path = join(dir, 'audit.log');
    const log = new AuditLogFile({ path, maxBytes: 1_000, maxBackups: 3 }, { clock: systemClock, log: silentLog });
    await log.start();
    for (let i = 0; i < 60; i++) await log.write(`${String(i).padStart(3, '0')} ${'x'.repeat(96)}`);
    for (let i = 60; i < 65; i++) log.offer(String(i).padStart(3, '0'));
    await log.close();
    const names = (await readdir(dir)).sort();
    expect(names).toHaveLength(4);
    expect(names.filter((name) => /^audit-\d{4}-\d\d-\d\dT[\d-]+\.\d{3}(-\d+)?\.log$/.test(name))).toHaveLength(3);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const last = (await readFile(path, 'utf8')).trim().split('\n');
    expect(last.at(-1)).toBe('064');
    expect(last).toEqual([...last].sort());
  });

  it('bounds the waiting events', () => {
    const log = new AuditLogFile(
      { path: join(dir, 'a'), maxBytes: 1, maxBackups: 0 },
      { clock: systemClock, log: silentLog },
    );
    let taken = 0;
    while (log.offer('x') && taken < 20_000) taken++;
    expect(taken).toBe(10_000);
    return log.close();
  });

  it('goes on after a write that failed', async () => {
    const path = join(dir, 'sub', 'audit.log');
    const log = new AuditLogFile({ path, maxBytes: 1_000, maxBackups: 0 }, { clock: systemClock, log: silentLog });
    await expect(log.start()).rejects.toThrow('ENOENT');
    await expect(log.write('lost')).rejects.toThrow('ENOENT');
    await (await import('node:fs/promises')).mkdir(join(dir, 'sub'));
    await log.write('kept');
    await log.close();
    expect(await readFile(path, 'utf8')).toBe('kept\n');
  });
});
