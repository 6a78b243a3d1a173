import type { Pod } from '../../generated/types.ts';
import { isPodTerminal, qosClass } from '../../pod.ts';
import { forbidden } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { podColumns } from '../columns/pod-columns.ts';
import type { Behaviour } from '../kind.ts';
import { settlePodIPs, validatePodAddresses } from '../rules/addresses.ts';
import { ephemeralContainers } from '../rules/ephemeral-containers.ts';
import { validatePodAnnotations } from '../rules/pod-annotations.ts';
import { addDefaultTolerations, defaultPod } from '../rules/pod-defaults.ts';
import { resize } from '../rules/pod-resize.ts';
import { validatePodUpdate } from '../rules/pod-update.ts';
import { validatePodSpec } from '../rules/pod-validation.ts';
import { podWarnings } from '../warnings/pod-warnings.ts';
import { nameWarnings } from '../warnings/workloads.ts';

export const pod: Behaviour<Pod> = {
  nameFormat: isDnsSubdomain,
  columns: podColumns,
  strategy: {
    default(object) {
      if (object.spec) defaultPod(object);
    },
    prepareCreate(object) {
      if (!object.spec) return;
      addDefaultTolerations(object.spec);
      object.status = { phase: 'Pending', qosClass: qosClass(object.spec) };
    },
    prepareUpdate(object) {
      if (object.spec) addDefaultTolerations(object.spec);
    },
    validate(object, causes) {
      if (!object.spec) return;
      validatePodSpec(object.spec, 'spec', causes);
      validatePodAnnotations(object.metadata.annotations ?? {}, object.spec, 'metadata.annotations', causes);
      // A new object has no version yet.
      if (object.spec.ephemeralContainers?.length && !object.metadata.resourceVersion) {
        causes.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'));
      }
    },
    validateUpdate(object, old, causes) {
      if (object.spec) validatePodUpdate(object, old, causes);
    },
    parts: {
      ephemeralcontainers: ephemeralContainers,
      resize,
      status: {
        labels: true,
        prepare({ status }) {
          if (status) settlePodIPs(status);
        },
        validate(object, _old, causes) {
          validatePodAddresses(object, causes);
        },
      },
    },
    deletion: {
      answer: 'object',
      /** Only a pod that is bound and has not ended has containers to stop. */
      gracePeriod(object) {
        if (!object.spec.nodeName || isPodTerminal(object)) return undefined;
        return Math.max(0, object.spec.terminationGracePeriodSeconds ?? 30);
      },
    },
    warnings({ metadata, spec }, old) {
      if (old) return [];
      const names = nameWarnings(metadata.name, old, "this is used in the Pod's hostname");
      return [...names, ...podWarnings(metadata, spec)];
    },
  },
};
