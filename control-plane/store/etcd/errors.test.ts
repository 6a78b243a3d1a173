import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../shared/errors.ts';
import { cancelled, grpcError, neverSent, unavailable } from '../../../test/support/fake-etcd.ts';
import { isFutureRevision, mayRetry, toApiError } from './errors.ts';

// etcd's api/v3rpc/rpctypes/error.go, and the codes of gRPC.
const failures: readonly (readonly [Error, string])[] = [
  [grpcError(11, '11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted'), 'Expired'],
  [grpcError(11, '11 OUT_OF_RANGE: etcdserver: mvcc: required revision is a future revision'), 'Timeout'],
  [grpcError(3, '3 INVALID_ARGUMENT: etcdserver: request is too large'), 'RequestEntityTooLarge'],
  [grpcError(8, '8 RESOURCE_EXHAUSTED: grpc: received message larger than max (5 vs. 4)'), 'RequestEntityTooLarge'],
  [grpcError(8, '8 RESOURCE_EXHAUSTED: Received message larger than max (5 vs 4)'), 'RequestEntityTooLarge'],
  [grpcError(3, '3 INVALID_ARGUMENT: etcdserver: too many operations in txn request'), 'BadRequest'],
  [grpcError(3, '3 INVALID_ARGUMENT: etcdserver: duplicate key given in txn request'), 'BadRequest'],
  [grpcError(3, '3 INVALID_ARGUMENT: etcdserver: key is not provided'), 'BadRequest'],
  [grpcError(8, '8 RESOURCE_EXHAUSTED: etcdserver: too many requests'), 'TooManyRequests'],
  [grpcError(5, '5 NOT_FOUND: etcdserver: requested lease not found'), 'NotFound'],
  [grpcError(8, '8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded'), 'InsufficientStorage'],
  [grpcError(14, '14 UNAVAILABLE: etcdserver: request timed out'), 'Timeout'],
  [grpcError(4, '4 DEADLINE_EXCEEDED: Deadline exceeded'), 'Timeout'],
  [unavailable(), 'ServiceUnavailable'],
  [grpcError(14, '14 UNAVAILABLE: etcdserver: leader changed'), 'ServiceUnavailable'],
  [cancelled(), 'ServiceUnavailable'],
  [grpcError(7, '7 PERMISSION_DENIED: etcdserver: permission denied'), 'ServiceUnavailable'],
  [grpcError(16, '16 UNAUTHENTICATED: etcdserver: invalid auth token'), 'ServiceUnavailable'],
  [grpcError(13, '13 INTERNAL: Received RST_STREAM with code 2'), 'InternalError'],
  [grpcError(15, '15 DATA_LOSS: etcdserver: corrupt cluster'), 'InternalError'],
  [new TypeError('not a function'), 'InternalError'],
];

describe('an error of etcd', () => {
  it.each(failures)('%s is %s', (error, reason) => {
    expect(toApiError(error)).toMatchObject({ reason, cause: error });
  });

  it('is reported without the prefixes of the layers between', () => {
    expect(toApiError(grpcError(3, '3 INVALID_ARGUMENT: etcdserver: key is not provided')).message).toBe(
      'etcd: key is not provided',
    );
    expect(toApiError('odd').message).toBe('etcd: odd');
    const own = new ApiError('Conflict', 'mine');
    expect(toApiError(own)).toBe(own);
  });

  it('is recognized when it is about a future revision', () => {
    const of = (message: string) => isFutureRevision(toApiError(grpcError(11, message)));
    expect(of('11 OUT_OF_RANGE: etcdserver: mvcc: required revision is a future revision')).toBe(true);
    expect(of('11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted')).toBe(false);
  });
});

describe('a failed call', () => {
  it('is always retried when it was never sent', () => {
    const sayings = ['Channel closed before call started', 'Name resolution failed for target dns:etcd'];
    for (const error of [neverSent(), ...sayings.map((saying) => grpcError(14, `14 UNAVAILABLE: ${saying}`))]) {
      expect([mayRetry(error, 'read'), mayRetry(error, 'write')]).toEqual([true, true]);
    }
  });

  it('is retried when etcd was unavailable only if it is a read, because a write may have been made', () => {
    for (const error of [unavailable(), cancelled(), new ApiError('ServiceUnavailable', 'the stream broke')]) {
      expect([mayRetry(error, 'read'), mayRetry(error, 'write')]).toEqual([true, false]);
    }
  });

  it('is not retried when its deadline has passed or it was refused', () => {
    const others = [
      grpcError(4, '4 DEADLINE_EXCEEDED: Deadline exceeded'),
      grpcError(3, '3 INVALID_ARGUMENT: etcdserver: key is not provided'),
      grpcError(13, '13 INTERNAL: Received RST_STREAM with code 2'),
      new ApiError('Timeout', 'no answer'),
    ];
    for (const error of [...others, 'no error at all']) expect(mayRetry(error, 'read')).toBe(false);
  });
});
