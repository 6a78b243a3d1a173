import { createHash } from 'node:crypto';
import { constants, gzipSync } from 'node:zlib';
import type { KindDef } from '../../../../shared/kinds/kind.ts';
import { derivedFrom, type KindLookup } from '../../../../shared/kinds/registry.ts';
import { messagesOf, pathsOf, rootOf } from './operations.ts';
import { ownDefinitions, reachable, schemaName, schemaOf, type Version } from './schemas.ts';
import { encodeSwagger } from './swagger-protobuf.ts';

/** A document that has been built. */
export interface Document {
  /** The hash of the content. */
  readonly hash: string;
  readonly gzipped: Uint8Array;
}

/**
 * The OpenAPI documents of the served kinds: version 3 with one document a group and version, version 2 with one for all. kubectl reads
 * from them what `explain` shows, how lists merge in apply, and that the server validates fields (parameter `fieldValidation`). They
 * are built when first read, and kept compressed: together they are some megabytes of text.
 */
export class OpenApi {
  readonly #kinds: KindLookup;
  readonly #documents: () => Map<string, Document>;

  constructor(kinds: KindLookup) {
    this.#kinds = kinds;
    this.#documents = derivedFrom(kinds, () => new Map());
  }

  /** The document at a path (without slashes at its ends); undefined when there is none. Version 2 has a protobuf form. */
  document(path: string, protobuf = false): Document | undefined {
    const key = protobuf ? `${path} protobuf` : path;
    const documents = this.#documents();
    const known = documents.get(key);
    if (known) return known;
    const built = this.#build(path);
    if (!built) return undefined;
    const content = protobuf ? encodeSwagger(built) : JSON.stringify(built);
    const document = {
      hash: createHash('sha512').update(content).digest('hex').slice(0, 64).toUpperCase(),
      gzipped: gzipSync(content, { level: constants.Z_BEST_SPEED }),
    };
    documents.set(key, document);
    return document;
  }

  #build(path: string): object | undefined {
    if (path === 'openapi/v2') return swagger(this.#kinds);
    if (path === 'openapi/v3') return this.#index();
    const members = groups(this.#kinds).get(path.replace(/^openapi\/v3\//, ''));
    return path.startsWith('openapi/v3/') && members ? openApi3(members, this.#kinds) : undefined;
  }

  /** The index of the documents; the hash in each URL lets clients cache them. */
  #index(): object {
    const addresses = [...groups(this.#kinds).keys()].map((root) => {
      const path = `openapi/v3/${root}`;
      return [root, { serverRelativeURL: `/${path}?hash=${this.document(path)?.hash}` }];
    });
    return { paths: Object.fromEntries(addresses) };
  }
}

const info = { title: 'Coracle', version: 'v1.32.0' };

function openApi3(members: readonly KindDef[], kinds: KindLookup): object {
  return { openapi: '3.0.0', info, paths: paths(members, 3), components: { schemas: schemas(members, kinds, 3) } };
}

function swagger(kinds: KindLookup): object {
  const { served } = kinds;
  return { swagger: '2.0', info, paths: paths(served, 2), definitions: schemas(served, kinds, 2) };
}

function schemas(members: readonly KindDef[], kinds: KindLookup, version: Version): object {
  const names = reachable(members.flatMap(messagesOf));
  return Object.fromEntries([
    ...names.map((name) => [schemaName(name), schemaOf(name, version, kinds)]),
    ...members.flatMap((def) => ownDefinitions(def, version)),
  ]);
}

function paths(members: readonly KindDef[], version: Version): object {
  return Object.assign({}, ...members.map((def) => pathsOf(def, version)));
}

/** The kinds of each document of version 3, by its path: `api/v1`, `apis/apps/v1`. */
function groups({ served }: KindLookup): Map<string, KindDef[]> {
  const found = new Map<string, KindDef[]>();
  for (const def of served) {
    const root = rootOf(def).slice(1);
    const members = found.get(root);
    if (members) members.push(def);
    else found.set(root, [def]);
  }
  return found;
}
