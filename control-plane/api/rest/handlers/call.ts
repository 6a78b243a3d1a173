import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../../shared/clock.ts';
import type { Api, RequestContext } from '../../api.ts';
import type { RecentEncodings } from '../encoding/recent-encodings.ts';
import type { ResourceRoute } from '../request-info/route.ts';
import type { Reply } from '../responses/respond.ts';
import type { Upgrade } from '../streams/connect.ts';

/** One request for a resource, as its handlers see it. */
export interface Call {
  readonly api: Api;
  readonly clock: Clock;
  readonly context: RequestContext;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly route: ResourceRoute;
  readonly query: URLSearchParams;
  readonly reply: Reply;
  /** Shared by all watches. */
  readonly encodings: RecentEncodings;
  /** Present when the client asks for an upgrade to another protocol. */
  readonly upgrade?: Upgrade | undefined;
}
