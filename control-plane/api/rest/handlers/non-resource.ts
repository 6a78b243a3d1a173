import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { Gauge, type Registry } from 'prom-client';
import { ApiError } from '../../../../shared/errors.ts';
import { build } from '../../../../shared/generated/build.ts';
import type { KindLookup } from '../../../../shared/kinds/registry.ts';
import { forbiddenError } from '../../auth/authorizer.ts';
import type { Authorizer, Identity } from '../../auth/identity.ts';
import type { Documents } from '../../auth/tokens/issuer-documents.ts';
import { notAllowed } from '../../requests/refusals.ts';
import { plainAddress } from '../connections.ts';
import { type Aggregated, Discovery } from '../discovery/discovery.ts';
import { type Format, formatFor, mediaTypes, notAcceptable } from '../encoding/negotiate.ts';
import { encoded } from '../encoding/texts.ts';
import { OpenApi } from '../openapi/documents.ts';
import { notServed, PageNotFound, type Route } from '../request-info/route.ts';
import { type Reply, sendBody, sendObject } from '../responses/respond.ts';
import { type Check, healthText } from './health.ts';

export interface PathsDeps {
  /** The kinds that are served at the moment. */
  readonly kinds: KindLookup;
  /** Authorizes non-resource paths; the Api authorizes all else. */
  readonly authorizer: Authorizer;
  /** Served at `/metrics`; the server registers its own metrics. Absent: no metrics. */
  readonly registry?: Registry;
  /** The OpenID documents of the token issuer. */
  readonly issuer?: Documents;
  /** The checks of `/readyz` and `/livez`, by name. */
  readonly checks?: {
    readonly ready?: Readonly<Record<string, Check>>;
    readonly live?: Readonly<Record<string, Check>>;
  };
}

type PathRoute = Route & { readonly type: 'path' };

/** First parts of the paths that are served. */
const roots: ReadonlySet<string> = new Set([
  '',
  'api',
  'apis',
  'version',
  'healthz',
  'livez',
  'readyz',
  'metrics',
  'openapi',
  '.well-known',
  'openid',
]);

/** Serves non-resource paths: discovery, OpenAPI, health, version, metrics. */
export class Paths {
  readonly #deps: PathsDeps;
  readonly #discovery: Discovery;
  readonly #openapi: OpenApi;

  constructor(deps: PathsDeps) {
    this.#deps = deps;
    this.#discovery = new Discovery(deps.kinds);
    this.#openapi = new OpenApi(deps.kinds);
    if (deps.registry) countBuild(deps.registry);
  }

  async serve(request: IncomingMessage, route: PathRoute, identity: Identity, reply: Reply): Promise<void> {
    const { path, parts } = route;
    const method = (request.method ?? 'GET').toLowerCase();
    const attributes = { verb: method, group: '', resource: '', path };
    const decision = this.#deps.authorizer.authorize(identity, attributes);
    if (!decision.allowed) throw forbiddenError(identity, attributes, decision.reason);
    if (method !== 'get' && method !== 'head') {
      throw roots.has(parts[0] ?? '') ? notAllowed() : new PageNotFound();
    }
    switch (parts[0]) {
      case 'version':
        return sendObject(indented(request, reply), 200, versionInfo);
      case 'healthz':
      case 'livez':
      case 'readyz':
        return this.#serveHealth(parts[0], route, reply);
      case 'metrics': {
        const { registry } = this.#deps;
        if (!registry) throw new PageNotFound();
        return sendBody(reply, 200, registry.contentType, await registry.metrics());
      }
      case 'openapi':
        return this.#serveOpenApi(request, route, reply);
      case '.well-known':
      case 'openid':
        return this.#serveIssuer(parts, reply);
      case undefined:
        return sendObject(indented(request, reply), 200, { paths: [...this.#discovery.paths(), ...otherPaths].sort() });
      default:
        return this.#serveDiscovery(request, parts, reply);
    }
  }

  async #serveHealth(root: string, { parts, query }: PathRoute, reply: Reply): Promise<void> {
    const { checks } = this.#deps;
    const found = await healthText(root, (root === 'readyz' ? checks?.ready : checks?.live) ?? {}, {
      verbose: query.has('verbose'),
      exclude: query.getAll('exclude'),
      only: parts.slice(1).join('/') || undefined,
    });
    if (!found) throw new PageNotFound();
    reply.response.setHeader('X-Content-Type-Options', 'nosniff');
    sendBody(reply, found.ok ? 200 : 500, 'text/plain; charset=utf-8', found.text);
  }

  /** A client asks for the aggregated form by its media type. */
  #serveDiscovery(request: IncomingMessage, parts: readonly string[], reply: Reply): void {
    const wanted = mediaTypes(request.headers.accept ?? '');
    const form = wanted.find(
      ({ parameters: { as, v } }) => as === 'APIGroupDiscoveryList' && (v === 'v2' || v === 'v2beta1'),
    )?.parameters.v as Aggregated | undefined;
    const { localAddress, localPort = 0 } = request.socket;
    const found = this.#discovery.document(parts, form, `${plainAddress(localAddress)}:${localPort}`);
    const [root, group = ''] = parts;
    if (!found)
      throw root === 'api' || (root === 'apis' && this.#deps.kinds.hasGroup(group)) ? notServed() : new PageNotFound();
    if ((found as { kind?: unknown }).kind !== 'APIGroupDiscoveryList') {
      sendObject(inFormat(request, reply), 200, found);
      return;
    }
    const content = encoded(found, 'json', reply.pretty);
    if (unchanged(request, reply, createHash('sha256').update(content).digest('hex').toUpperCase())) return;
    sendBody(reply, 200, `application/json;g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList`, content);
  }

  #serveIssuer(parts: readonly string[], reply: Reply): void {
    const document = this.#deps.issuer?.[parts.join('/')];
    if (!document) throw new PageNotFound();
    reply.response.setHeader('Cache-Control', 'public, max-age=3600');
    sendBody(reply, 200, document.type, document.text());
  }

  #serveOpenApi(request: IncomingMessage, { parts, query }: PathRoute, reply: Reply): void {
    const path = parts.join('/');
    const protobuf = swaggerForm(request.headers.accept, path === 'openapi/v2');
    const document = this.#openapi.document(path, protobuf);
    if (!document) throw new PageNotFound();
    const { response } = reply;
    response.setHeader('Vary', 'Accept-Encoding, Accept');
    // A URL with the hash names the content, so clients may cache it for ever.
    const hash = query.get('hash');
    if (hash !== null && hash !== document.hash) {
      response.writeHead(301, { Location: `/${path}?hash=${document.hash}` }).end();
      return;
    }
    if (hash !== null) response.setHeader('Cache-Control', 'public, immutable, max-age=31536000');
    if (unchanged(request, reply, document.hash)) return;
    const type = protobuf ? swaggerType : 'application/json';
    if (reply.gzip) response.setHeader('Content-Encoding', 'gzip');
    sendBody({ ...reply, gzip: false }, 200, type, reply.gzip ? document.gzipped : gunzipSync(document.gzipped));
  }
}

/** What can be read besides discovery. */
const otherPaths = [
  '/.well-known/openid-configuration',
  '/healthz',
  '/livez',
  '/metrics',
  '/openapi/v2',
  '/openapi/v3',
  '/openid/v1/jwks',
  '/readyz',
  '/version',
];

/** The release of Kubernetes whose API is served, and the build of Coracle. */
const versionInfo = {
  major: '1',
  minor: '32',
  gitVersion: 'v1.32.0+coracle',
  gitCommit: build.commit,
  gitTreeState: build.treeState,
  buildDate: build.date,
  // Kubernetes' field for the version of the language runtime.
  goVersion: `node${process.versions.node}`,
  compiler: build.compiler,
  platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
};

/** The build as a metric, under Kubernetes' name. */
function countBuild(registry: Registry): void {
  const labels = Object.entries(versionInfo).map(([name, value]) => [
    name.replace(/[A-Z]/g, '_$&').toLowerCase(),
    value,
  ]);
  new Gauge({
    name: 'kubernetes_build_info',
    help: 'Always 1; the labels are what /version says.',
    labelNames: labels.map(([name]) => name as string),
    registers: [registry],
  }).set(Object.fromEntries(labels), 1);
}

/** The media type of a Swagger document in protobuf, and those that clients ask for: older ones have another. */
const swaggerType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const swaggerTypes = ['application/com.github.proto-openapi.spec.v2@v1.0+protobuf', swaggerType];

/** Whether the client prefers protobuf, for a document that has it. */
function swaggerForm(accept: string | undefined, can: boolean): boolean {
  for (const { type } of mediaTypes(accept || '*/*')) {
    if (type === 'application/json' || type === '*/*' || type === 'application/*') return false;
    if (can && swaggerTypes.includes(type)) return true;
  }
  throw notAcceptable(['application/json', ...(can ? swaggerTypes : [])]);
}

/** Sets the ETag; answers 304 when the client has that content. */
function unchanged({ headers }: IncomingMessage, { response }: Reply, hash: string): boolean {
  const etag = `"${hash}"`;
  response.setHeader('ETag', etag);
  const cached = headers['if-none-match']?.split(',').map((one) => one.trim().replace(/^W\//, ''));
  if (!cached?.includes(etag) && !cached?.includes('*')) return false;
  response.writeHead(304).end();
  return true;
}

/** These documents have no protobuf; a client that accepts only protobuf gets JSON. */
function inFormat(request: IncomingMessage, reply: Reply): Reply {
  return { ...reply, format: plainFormat(request.headers.accept) };
}

/** These documents are always indented, as in Kubernetes. */
function indented(request: IncomingMessage, reply: Reply): Reply {
  return { ...inFormat(request, reply), pretty: true };
}

function plainFormat(accept: string | undefined): Format {
  try {
    const { encoding } = formatFor(accept);
    return { encoding: encoding === 'yaml' ? 'yaml' : 'json' };
  } catch (error) {
    if (error instanceof ApiError) return { encoding: 'json' };
    throw error;
  }
}
