import type { Log } from '../../shared/log.ts';
import { admissionPlugins } from './admission/index.ts';
import type { Api, NodeStreams } from './api.ts';
import { Pipeline } from './pipeline.ts';
import type { KindHandlers } from './requests/unstored.ts';
import { WriteCore } from './requests/write-core.ts';
import { handlers } from './resources/handlers.ts';
import { noNodeStreams } from './resources/pod/streams.ts';
import { subresources } from './resources/subresources.ts';
import type { TokenIssuer } from './resources/tokens/token-request.ts';
import { type WriteHookDeps, writeHooks } from './resources/write-hooks.ts';

export interface ApiDeps extends WriteHookDeps {
  readonly log: Log;
  /** Absent: logs answer ServiceUnavailable. */
  readonly nodeStreams?: NodeStreams;
  /** Issues tokens of service accounts. Absent: there are none. */
  readonly tokens?: TokenIssuer;
  /** The CA that signed the API server's certificate, PEM: it is published in every namespace. */
  readonly rootCertificate?: string;
  /** For the kinds that are not stored, besides those that the API itself answers. */
  readonly handlers?: KindHandlers;
}

/**
 * Composes the request pipeline:
 *
 *     authorize → decode → default → admit → prepare → validate → one guarded transaction → answer
 *     └ reads: authorize → wait until the cache has caught up → select ┘
 *
 * It keeps no state of any request or client.
 */
export function createApi(deps: ApiDeps): Api {
  const { random, authorizer, rootCertificate, tokens, nodeStreams = noNodeStreams } = deps;
  const core = new WriteCore({
    ...deps,
    plugins: admissionPlugins({ random, authorizer, rootCertificate, tokens: !!tokens }),
    writeHooks: writeHooks(deps),
  });
  return new Pipeline({
    core,
    handlers: { ...handlers, ...deps.handlers },
    subresources: subresources({ nodeStreams, tokens }),
  });
}
