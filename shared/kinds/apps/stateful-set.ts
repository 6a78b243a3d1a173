import { isDeepStrictEqual } from 'node:util';
import type {
  PodTemplateSpec,
  StatefulSet,
  StatefulSetSpec,
  StatefulSetUpdateStrategy,
  StatusCause,
} from '../../generated/types.ts';
import { forbidden, invalid, notSupported } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, nameColumn, templateColumns, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { defaultClaimSpec } from '../rules/claim-spec.ts';
import { validateIntOrPercent } from '../rules/int-or-percent.ts';
import { validateAnnotations, validateLabels } from '../rules/metadata.ts';
import { defaultPodSpec } from '../rules/pod-defaults.ts';
import { validateRunsForEver } from '../rules/pod-validation.ts';
import { validateSelector } from '../rules/workload.ts';
import { claimSizeWarnings } from '../warnings/amounts.ts';
import { templateWarnings } from '../warnings/workloads.ts';

const retentions = ['Delete', 'Retain'];
/** The fields that may change after creation. */
const changeable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;

export const statefulSet: Behaviour<StatefulSet> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Ready', 'Number of ready pods, and of desired pods.', ({ spec, status }) => {
      return `${status?.readyReplicas ?? 0}/${spec.replicas ?? 1}`;
    }),
    ageColumn as Column<StatefulSet>,
    ...templateColumns<StatefulSet>(({ spec }) => spec.template),
  ],
  strategy: {
    default({ spec }) {
      if (spec) defaultSpec(spec);
    },
    prepareCreate(object) {
      object.status = { replicas: 0, availableReplicas: 0 };
    },
    validate({ spec }, causes) {
      if (!spec) return;
      const { podManagementPolicy: order, updateStrategy, ordinals, persistentVolumeClaimRetentionPolicy } = spec;
      if (order !== 'OrderedReady' && order !== 'Parallel') {
        causes.push(invalid('spec.podManagementPolicy', order, "must be 'OrderedReady' or 'Parallel'"));
      }
      if (updateStrategy) validateStrategy(updateStrategy, causes);
      for (const [part, policy] of Object.entries(persistentVolumeClaimRetentionPolicy ?? {})) {
        if (retentions.includes(policy)) continue;
        causes.push(notSupported(`spec.persistentVolumeClaimRetentionPolicy.${part}`, policy, retentions));
      }
      if ((ordinals?.start ?? 0) < 0) {
        causes.push(invalid('spec.ordinals.start', ordinals?.start, 'must be greater than or equal to 0'));
      }
      validateSelector(spec, 'StatefulSet', causes);
      if (spec.template) validateTemplate(spec.template, causes);
    },
    validateUpdate({ spec }, { spec: old }, causes) {
      if (isDeepStrictEqual(fixedPart(spec), fixedPart(old))) return;
      const why =
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
      causes.push(forbidden('spec', why));
    },
    warnings: statefulSetWarnings,
  },
};

function defaultSpec(spec: StatefulSetSpec): void {
  if (spec.template?.spec) defaultPodSpec(spec.template.spec);
  const { updateStrategy } = spec;
  if (updateStrategy?.type === 'RollingUpdate') {
    updateStrategy.rollingUpdate = { partition: 0, ...updateStrategy.rollingUpdate };
  }
  spec.persistentVolumeClaimRetentionPolicy ??= { whenDeleted: 'Retain', whenScaled: 'Retain' };
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.apiVersion = 'v1';
    claim.kind = 'PersistentVolumeClaim';
    if (claim.spec) defaultClaimSpec(claim.spec);
    claim.status = { phase: 'Pending', ...claim.status };
  }
}

/** Kubernetes checks the rest of the template with the pods: mounts may name claims, which are volumes only there. */
function validateTemplate({ metadata, spec }: PodTemplateSpec, causes: StatusCause[]): void {
  if (metadata?.labels) validateLabels(metadata.labels, 'spec.template.labels', causes);
  if (metadata?.annotations) validateAnnotations(metadata.annotations, 'spec.template.annotations', causes);
  if (spec) validateRunsForEver(spec, 'spec.template.spec', 'StatefulSet', causes);
}

function validateStrategy({ type, rollingUpdate }: StatefulSetUpdateStrategy, causes: StatusCause[]): void {
  const field = 'spec.updateStrategy';
  if (type === 'OnDelete') {
    if (rollingUpdate) {
      const why = "only allowed for updateStrategy 'RollingUpdate'";
      causes.push(invalid(`${field}.rollingUpdate`, rollingUpdate, why));
    }
  } else if (type !== 'RollingUpdate') {
    causes.push(invalid(field, { type }, "must be 'RollingUpdate' or 'OnDelete'"));
  }
  const { partition = 0, maxUnavailable } = rollingUpdate ?? {};
  if (partition < 0) {
    causes.push(invalid(`${field}.rollingUpdate.partition`, partition, 'must be greater than or equal to 0'));
  }
  validateIntOrPercent(maxUnavailable, `${field}.rollingUpdate.maxUnavailable`, causes);
}

function fixedPart(spec: StatefulSetSpec): Partial<StatefulSetSpec> {
  const rest = { ...spec };
  for (const field of changeable) delete rest[field];
  return rest;
}

function statefulSetWarnings({ metadata, spec }: StatefulSet, old: StatefulSet | undefined): string[] {
  const claims = (spec.volumeClaimTemplates ?? []).flatMap((claim, index) => {
    const field = `spec.volumeClaimTemplates[${index}]${old ? '.Spec' : ''}`;
    return claim.spec ? claimSizeWarnings(claim.spec, field) : [];
  });
  const forever = 'a negative value retains all historical revisions; a value >= 0 is recommended';
  return [
    ...templateWarnings(metadata, old, spec.template, 'spec.template'),
    ...claims,
    ...((spec.revisionHistoryLimit ?? 0) < 0 ? [`spec.revisionHistoryLimit: ${forever}`] : []),
  ];
}
