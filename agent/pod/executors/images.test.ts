import { describe, expect, it } from 'vitest';
import type { Secret } from '../../../shared/generated/types.ts';
import { container } from '../../../test/support/hollow-agent.ts';
import { credentialsFor, isImageName, pullPolicy, serverOf } from './images.ts';

const digest = `sha256:${'0a'.repeat(32)}`;

describe('an image’s name', () => {
  it.each([
    'busybox',
    'busybox:1.36',
    'library/busybox',
    'a/b/c/d',
    'a.b_c__d-e---f/x',
    `busybox@${digest}`,
    'localhost/app',
    'localhost:5000/app:v1',
    'registry.example.com/app',
    `Registry-1.Example.COM:443/a/b:x@${digest}`,
    'app:_tag',
    `app:${'t'.repeat(128)}`,
  ])('may be %s', (image) => {
    expect(isImageName(image)).toBe(true);
  });

  it.each([
    '',
    ' busybox',
    'busybox ',
    'Busybox',
    'busybox:',
    'busybox:-tag',
    ':tag',
    '/app',
    'app/',
    'a//b',
    'a..b',
    'a.',
    '-a',
    'a___b',
    'https://example.com/app',
    'example.com:port/app',
    '-example.com/app',
    'example-.com/app',
    'busybox@',
    'busybox@sha256:',
    `busybox@sha256:${'0'.repeat(31)}`,
    `busybox@1sha:${'0'.repeat(32)}`,
    `app:${'t'.repeat(129)}`,
    `busybox@${digest} x`,
    'app\nother',
  ])('may not be %j', (image) => {
    expect(isImageName(image)).toBe(false);
  });

  it('may be long, but not without end', () => {
    expect(isImageName('a'.repeat(4096))).toBe(true);
    expect(isImageName('a'.repeat(4097))).toBe(false);
  });

  it.each([
    ['busybox', 'docker.io'],
    ['library/busybox:1', 'docker.io'],
    ['team/app/part', 'docker.io'],
    ['localhost/app', 'localhost'],
    ['localhost:5000/app', 'localhost:5000'],
    ['registry:5000/app', 'registry:5000'],
    ['registry.example.com/team/app:1', 'registry.example.com'],
    ['busybox:1.36', 'docker.io'],
    ['', 'docker.io'],
  ])('%j leads to %s', (image, server) => {
    expect(serverOf(image)).toBe(server);
  });
});

describe('the pull policy', () => {
  /** Kubernetes, "Images: default image pull policy". */
  it.each([
    ['app', 'Always'],
    ['app:latest', 'Always'],
    ['localhost:5000/app', 'Always'],
    ['localhost:5000/app:latest', 'Always'],
    ['app:1', 'IfNotPresent'],
    ['app:latest-1', 'IfNotPresent'],
    ['app:not-latest', 'IfNotPresent'],
    ['localhost:5000/app:v1.2-rc.1', 'IfNotPresent'],
    [`app@${digest}`, 'IfNotPresent'],
    [`app:latest@${digest}`, 'IfNotPresent'],
  ])('of %s is %s when nothing is said', (image, policy) => {
    expect(pullPolicy(container('app', { image }))).toBe(policy);
  });

  it('is what the container says', () => {
    expect(pullPolicy(container('app', { image: 'app', imagePullPolicy: 'Never' }))).toBe('Never');
    expect(pullPolicy(container('app', { image: 'app:1', imagePullPolicy: 'Always' }))).toBe('Always');
  });

  it('of a container without an image is Always', () => {
    expect(pullPolicy({ name: 'app' })).toBe('Always');
  });
});

describe('the credentials for an image', () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const secret = (key: string, text: string) => ({ data: { [key]: base64(text) } }) as unknown as Secret;
  const config = (auths: unknown) => secret('.dockerconfigjson', JSON.stringify({ auths }));
  const legacy = (auths: unknown) => secret('.dockercfg', JSON.stringify(auths));
  const login = (user: string, password: string) => ({ auth: base64(`${user}:${password}`) });

  it('are those of its server, in whichever secret and place they are', () => {
    const secrets = [
      config({ 'a.example.com': login('a', '1') }),
      config({ 'b.example.com': login('b', '2'), 'c.example.com': login('c', '3') }),
    ];
    const found = (server: string) => credentialsFor(`${server}/app:1`, secrets)?.username;
    expect(['a', 'b', 'c'].map((name) => found(`${name}.example.com`))).toEqual(['a', 'b', 'c']);
    expect(found('d.example.com')).toBeUndefined();
    expect(found('example.com')).toBeUndefined();
    expect(credentialsFor('busybox', secrets)).toBeUndefined();
  });

  it('are the first that fit', () => {
    const secrets = [config({ 'a.example.com': login('first', '1') }), config({ 'a.example.com': login('next', '2') })];
    expect(credentialsFor('a.example.com/app', secrets)?.username).toBe('first');
  });

  it.each(['https://a.example.com/v1/', 'http://a.example.com', 'a.example.com/team', 'a.example.com'])(
    'may be under the address %s, which is handed on as it is',
    (key) => {
      expect(credentialsFor('a.example.com/app', [config({ [key]: login('u', 'p:with:colons') })])).toEqual({
        username: 'u',
        password: 'p:with:colons',
        server: key,
      });
    },
  );

  it('of Docker Hub are those of any of its hosts, and of no other server', () => {
    for (const key of ['https://index.docker.io/v1/', 'docker.io', 'registry-1.docker.io']) {
      expect(credentialsFor('team/app', [config({ [key]: login('u', 'p') })])?.username).toBe('u');
      expect(credentialsFor('a.example.com/app', [config({ [key]: login('u', 'p') })])).toBeUndefined();
    }
    expect(credentialsFor('team/app', [config({ 'notdocker.io': login('u', 'p') })])).toBeUndefined();
    expect(credentialsFor('a.example.com/app', [config({ 'x.a.example.com': login('u', 'p') })])).toBeUndefined();
  });

  it('may be a name and a password, which come before the two in one', () => {
    const entry = { username: 'name', password: 'word', ...login('other', 'x') };
    const found = credentialsFor('a.example.com/app', [config({ 'a.example.com': entry })]);
    expect(found).toMatchObject({ username: 'name', password: 'word' });
    const none = credentialsFor('a.example.com/app', [config({ 'a.example.com': {} })]);
    expect(none).toEqual({ username: '', password: '', server: 'a.example.com' });
  });

  it('may be in a secret of the older form', () => {
    expect(credentialsFor('a.example.com/app', [legacy({ 'a.example.com': login('u', 'p') })])?.username).toBe('u');
  });

  it('are none in a secret that is not what it says, and the next is asked', () => {
    const good = config({ 'a.example.com': login('u', 'p') });
    for (const bad of [
      {} as Secret,
      secret('other', '{}'),
      secret('.dockerconfigjson', 'no JSON'),
      secret('.dockerconfigjson', 'null'),
      config(null),
      config('text'),
      config({ 'a.example.com': null }),
    ]) {
      expect(credentialsFor('a.example.com/app', [bad])).toBeUndefined();
      expect(credentialsFor('a.example.com/app', [bad, good])?.username).toBe('u');
    }
  });
});
