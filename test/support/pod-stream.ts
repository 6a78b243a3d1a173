import type { NodeStreams } from '../../control-plane/api/api.ts';
import { ApiError } from '../../shared/errors.ts';

const refuse = async (node: string): Promise<never> => {
  throw new ApiError('Unknown', `error dialing backend: node ${node} is not connected`);
};

/** For servers without nodes. */
export const noPodStreams: Pick<NodeStreams, 'open' | 'reach'> = { open: refuse, reach: async () => undefined };
