import { describe, expect, it } from 'vitest';
import { ApiError, hasCause, ignoring, isApiError, messageOf, type Reason, reasons } from './errors.ts';

const causes = [{ reason: 'FieldValueInvalid', message: 'm', field: 'f' }];

describe('a refusal', () => {
  it.each(Object.keys(reasons) as Reason[])('comes over the wire as it was: %s', (reason) => {
    const sent = new ApiError(reason, 'so', { kind: 'pods', name: 'a', causes, retryAfterSeconds: 2 });
    const read = ApiError.fromStatus(sent.toStatus());
    expect(read).toEqual(sent);
    expect([read.reason, read.message, read.details]).toEqual([reason, 'so', sent.details]);
  });

  it('is a Status as Kubernetes writes it', () => {
    expect(new ApiError('Conflict', 'so', { kind: 'pods', causes }).toStatus()).toEqual({
      apiVersion: 'v1',
      kind: 'Status',
      metadata: {},
      status: 'Failure',
      message: 'so',
      reason: 'Conflict',
      details: { kind: 'pods', causes },
      code: 409,
    });
    expect(new ApiError('Unknown', 'so').toStatus()).not.toHaveProperty('reason');
    expect(new ApiError('BadRequest', 'so').toStatus()).not.toHaveProperty('details');
    expect(new ApiError('NotFound', 'so').toStatus().details).toEqual({});
    expect(new ApiError('MethodNotAllowed', 'so').toStatus().details).toEqual({});
  });

  it('of a list that went on too long names the token to go on with in its metadata', () => {
    const { metadata, details } = new ApiError('Expired', 'so', { continue: 't' }).toStatus();
    expect([metadata, details]).toEqual([{ continue: 't' }, undefined]);
    const named = new ApiError('Expired', 'so', { continue: 't', kind: 'pods' }).toStatus();
    expect([named.metadata, named.details]).toEqual([{ continue: 't' }, { kind: 'pods' }]);
  });

  it('for a reason that there is not is an internal error, also for one that every object has a member of', () => {
    for (const reason of ['Odd', 'constructor', 'toString', '__proto__']) {
      const read = ApiError.fromStatus({ reason, message: 'so' });
      expect([read.reason, read.toStatus().code]).toEqual(['InternalError', 500]);
    }
    expect(ApiError.fromStatus({})).toMatchObject({ reason: 'Unknown', message: 'no message' });
  });
});

describe('an error', () => {
  const gone = new ApiError('NotFound', 'gone');

  it('is one of ours by its reason, or by any', () => {
    expect([isApiError(gone), isApiError(gone, 'Conflict', 'NotFound'), isApiError(gone, 'Conflict')]).toEqual([
      true,
      true,
      false,
    ]);
    expect([isApiError(new Error('gone')), isApiError(undefined), isApiError({ reason: 'NotFound' })]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('has a cause when one of its causes is that', () => {
    const error = new ApiError('Invalid', 'so', { causes: [{ reason: 'A' }, { reason: 'B' }] as typeof causes });
    expect([hasCause(error, 'B'), hasCause(error, 'C'), hasCause(gone, 'B'), hasCause(new Error('B'), 'B')]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it('is swallowed for the reasons that are ignored, and thrown for all others', () => {
    expect(ignoring('Conflict', 'NotFound')(gone)).toBeUndefined();
    expect(() => ignoring('Conflict')(gone)).toThrow(gone);
    expect(() => ignoring('NotFound')(new Error('x'))).toThrow('x');
  });

  it('returns a message for any thrown value', () => {
    expect([messageOf(gone), messageOf('text'), messageOf(undefined)]).toEqual(['gone', 'text', 'undefined']);
  });
});
