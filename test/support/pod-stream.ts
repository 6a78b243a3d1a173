import type { NodeStreams } from '../../control-plane/api/api.ts';
import { ApiError } from '../../shared/errors.ts';

/** For servers without nodes. */
export const noPodStreams: NodeStreams['open'] = async (node) => {
  throw new ApiError('ServiceUnavailable', `node ${node} is not connected`);
};
