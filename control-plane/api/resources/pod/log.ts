import type { Pod, StatusCause } from '../../../../shared/generated/types.ts';
import { forbidden, invalid, invalidError } from '../../../../shared/schema/causes.ts';
import type { LogStreamParameters } from '../../../../shared/session.ts';
import type { LogQuery, NodeStreams } from '../../api.ts';
import { getObject } from '../../requests/read.ts';
import { badRequest } from '../../requests/refusals.ts';
import { attributesOf } from '../../requests/request.ts';
import type { SubresourceHandler } from '../../requests/subresource.ts';
import { containerOf } from './containers.ts';

/** `GET pods/NAME/log`: a container's log from its node. A pod that has no node yet has an empty one. */
export function podLog(nodeStreams: NodeStreams): SubresourceHandler {
  return {
    async logs(request, query) {
      const { core, context, name } = request;
      core.authorize(context, 'get', attributesOf(request));
      checkLogQuery(name, query);
      const pod = (await getObject(request)) as Pod;
      const parameters = logParameters(pod, query, core.clock.now());
      const node = pod.spec.nodeName;
      if (!node) return emptyLog();
      return nodeStreams.logs(node, parameters, context.signal);
    },
  };
}

/** Kubernetes' `ValidatePodLogOptions`. */
function checkLogQuery(name: string, { tailLines, limitBytes, sinceSeconds, sinceTime }: LogQuery): void {
  const causes: StatusCause[] = [];
  if (tailLines !== undefined && !(Number.isSafeInteger(tailLines) && tailLines >= 0)) {
    causes.push(invalid('tailLines', tailLines, 'must be greater than or equal to 0'));
  }
  if (limitBytes !== undefined && !(Number.isSafeInteger(limitBytes) && limitBytes >= 1)) {
    causes.push(invalid('limitBytes', limitBytes, 'must be greater than 0'));
  }
  if (sinceSeconds !== undefined && sinceTime !== undefined) {
    causes.push(forbidden('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  } else if (sinceSeconds !== undefined && !(Number.isSafeInteger(sinceSeconds) && sinceSeconds >= 1)) {
    causes.push(invalid('sinceSeconds', sinceSeconds, 'must be greater than 0'));
  }
  if (causes.length > 0) throw invalidError({ kind: 'PodLogOptions', group: '' }, name, causes);
}

function logParameters(pod: Pod, query: LogQuery, now: number): LogStreamParameters {
  return {
    namespace: pod.metadata.namespace ?? '',
    pod: pod.metadata.name,
    uid: pod.metadata.uid,
    container: containerOf(pod, query.container),
    follow: query.follow ?? false,
    previous: query.previous ?? false,
    timestamps: query.timestamps ?? false,
    ...sinceOf(query, now),
    ...(query.tailLines === undefined ? {} : { tail: query.tailLines }),
    ...(query.limitBytes === undefined ? {} : { limitBytes: query.limitBytes }),
  };
}

function sinceOf({ sinceSeconds, sinceTime }: LogQuery, now: number): { since?: number } {
  if (sinceSeconds !== undefined) return { since: now - sinceSeconds * 1000 };
  if (sinceTime === undefined) return {};
  const since = Date.parse(sinceTime);
  if (Number.isNaN(since)) throw badRequest(`sinceTime: Invalid value: "${sinceTime}": must be an RFC 3339 time`);
  return { since };
}

async function* emptyLog(): AsyncGenerator<Uint8Array> {
  // Nothing has been written yet.
}
