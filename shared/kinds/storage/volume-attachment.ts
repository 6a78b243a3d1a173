import { isDeepStrictEqual } from 'node:util';
import type { StatusCause, VolumeAttachment, VolumeAttachmentStatus, VolumeError } from '../../generated/types.ts';
import { forbidden, invalid, required, tooLong } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, flag, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

/** The most bytes of an attachment's metadata, and the most characters of an error. */
const maxMetadata = 256 * 1024;
const maxMessage = 1024;

export const volumeAttachment: Behaviour<VolumeAttachment> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Attacher', 'The driver that attaches the volume.', ({ spec }) => spec.attacher),
    text('PV', 'The persistent volume.', ({ spec }) => spec.source?.persistentVolumeName ?? ''),
    text('Node', 'The node.', ({ spec }) => spec.nodeName),
    flag('Attached', 'Whether the volume is attached.', ({ status }) => status?.attached ?? false),
    ageColumn as Column<VolumeAttachment>,
  ],
  strategy: {
    generation: 'none',
    deletion: { answer: 'object' },
    prepareCreate(object) {
      object.status = { attached: false };
    },
    validate({ spec: { attacher, source = {}, nodeName } }, causes) {
      const { persistentVolumeName: volume, inlineVolumeSpec } = source;
      const field = 'spec.source';
      const exactly = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
      if (volume === undefined && !inlineVolumeSpec) causes.push(required(field, exactly));
      else if (volume !== undefined && inlineVolumeSpec) causes.push(forbidden(field, exactly));
      else if (volume === '') {
        causes.push(required(`${field}.persistentVolumeName`, 'must specify non empty persistentVolumeName'));
      }
      const checks: Array<[string, string | undefined]> = [
        ['spec.nodeName', nodeName],
        ['spec.attacher', attacher?.toLowerCase()],
        [`${field}.persistentVolumeName`, volume],
      ];
      for (const [path, value] of checks) {
        const fault = value && isDnsSubdomain(value);
        if (fault) causes.push(invalid(path, value, fault));
      }
    },
    validateUpdate({ spec }, old, causes) {
      if (!isDeepStrictEqual(spec, old.spec)) causes.push(invalid('spec', spec, 'field is immutable'));
    },
    parts: {
      status: {
        validate({ status }, _old, causes) {
          if (status) validateStatus(status, causes);
        },
      },
    },
  },
};

function validateStatus(
  { attachmentMetadata = {}, attachError, detachError }: VolumeAttachmentStatus,
  causes: StatusCause[],
): void {
  let size = 0;
  for (const [key, value] of Object.entries(attachmentMetadata))
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
  if (size > maxMetadata) causes.push(tooLong('status.attachmentMetadata', maxMetadata));
  validateError(attachError, 'status.attachError.message', causes);
  validateError(detachError, 'status.detachError.message', causes);
}

function validateError(error: VolumeError | undefined, field: string, causes: StatusCause[]): void {
  if (error?.message && Buffer.byteLength(error.message) > maxMessage) causes.push(tooLong(field, maxMessage));
}
