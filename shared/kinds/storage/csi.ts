import { isDeepStrictEqual } from 'node:util';
import type {
  CSIDriver,
  CSINode,
  CSINodeDriver,
  CSIStorageCapacity,
  StatusCause,
  StorageV1TokenRequest,
} from '../../generated/types.ts';
import { duplicate, invalid, notSupported, required } from '../../schema/causes.ts';
import { isDnsSubdomain, isQualifiedName } from '../../schema/formats.ts';
import { validateLabelSelector } from '../../selector.ts';
import { ageColumn, count, flag, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { repeats } from '../rules/repeats.ts';
import { nodeSelectorWarnings } from '../warnings/node-labels.ts';

const lifecycleModes = ['Persistent', 'Ephemeral'];
/** The most characters of a driver's node id. */
const maxNodeId = 192;
/** The bounds of a token's lifetime, in seconds. */
const minTokenLife = 10 * 60;
const maxTokenLife = 2 ** 32;

export const csiDriver: Behaviour<CSIDriver> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    flag(
      'AttachRequired',
      'Whether volumes must be attached before they are mounted.',
      ({ spec }) => spec.attachRequired ?? true,
    ),
    flag(
      'PodInfoOnMount',
      'Whether the driver gets information about the pod on mount.',
      ({ spec }) => spec.podInfoOnMount ?? false,
    ),
    flag(
      'StorageCapacity',
      "Whether scheduling considers the driver's storage capacity.",
      ({ spec }) => spec.storageCapacity ?? false,
    ),
    text(
      'TokenRequests',
      'The audiences of the service account tokens that the driver requests.',
      ({ spec: { tokenRequests } }) => {
        return tokenRequests ? tokenRequests.map(({ audience }) => audience ?? '').join(',') : '<unset>';
      },
    ),
    flag('RequiresRepublish', 'Whether NodePublishVolume is called periodically.', ({ spec }) => {
      return spec.requiresRepublish ?? false;
    }),
    text(
      'Modes',
      'The supported volume lifecycle modes.',
      ({ spec }) => spec.volumeLifecycleModes?.join(',') || '<none>',
    ),
    ageColumn as Column<CSIDriver>,
  ],
  strategy: {
    deletion: { answer: 'object' },
    default({ spec }) {
      if (spec && !spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
    },
    prepareUpdate({ metadata, spec }, old) {
      // A new driver has no generation; a change of its mutable fields sets one.
      const changed = (['tokenRequests', 'requiresRepublish', 'seLinuxMount', 'fsGroupPolicy'] as const).some(
        (name) => !isDeepStrictEqual(spec[name], old.spec[name]),
      );
      if (changed) metadata.generation = (old.metadata.generation ?? 0) + 1;
    },
    validate({ spec: { tokenRequests = [], volumeLifecycleModes = [] } }, causes) {
      validateTokens(tokenRequests, causes);
      for (const mode of volumeLifecycleModes) {
        if (!lifecycleModes.includes(mode)) {
          causes.push(notSupported('spec.volumeLifecycleModes', mode, lifecycleModes, 'as given'));
        }
      }
    },
    validateUpdate({ spec }, old, causes) {
      if (spec.attachRequired !== old.spec.attachRequired) {
        // Kubernetes uses this name in the path.
        causes.push(invalid('spec.attachedRequired', spec.attachRequired, 'field is immutable'));
      }
      if (!isDeepStrictEqual(spec.volumeLifecycleModes, old.spec.volumeLifecycleModes)) {
        causes.push(invalid('spec.volumeLifecycleModes', spec.volumeLifecycleModes, 'field is immutable'));
      }
    },
  },
};

export const csiNode: Behaviour<CSINode> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    count('Drivers', 'Number of drivers on the node.', ({ spec }) => spec.drivers?.length ?? 0),
    ageColumn as Column<CSINode>,
  ],
  strategy: {
    deletion: { answer: 'object' },
    validate({ spec: { drivers = [] } }, causes) {
      for (const [index, driver] of drivers.entries()) validateDriver(driver, `spec.drivers[${index}]`, causes);
    },
    validateUpdate({ spec }, old, causes) {
      for (const before of old.spec.drivers ?? []) {
        const now = spec.drivers?.find(({ name }) => name === before.name);
        if (now && !isDeepStrictEqual(now, before)) causes.push(invalid('spec.drivers', now, 'field is immutable'));
      }
    },
  },
};

export const csiStorageCapacity: Behaviour<CSIStorageCapacity> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('StorageClassName', 'The storage class.', ({ storageClassName }) => storageClassName),
    text('Capacity', 'The available capacity.', ({ capacity }) => capacity ?? '<unset>'),
  ],
  strategy: {
    validate({ nodeTopology, storageClassName, capacity }, causes) {
      if (nodeTopology) validateLabelSelector(nodeTopology, 'nodeTopology', causes);
      const fault = storageClassName && isDnsSubdomain(storageClassName);
      if (fault) causes.push(invalid('storageClassName', storageClassName, fault));
      if (capacity?.startsWith('-')) causes.push(invalid('capacity', capacity, 'must be greater than or equal to 0'));
    },
    warnings: ({ nodeTopology }) => (nodeTopology ? nodeSelectorWarnings(nodeTopology, 'nodeTopology') : []),
  },
};

function validateTokens(requests: readonly StorageV1TokenRequest[], causes: StatusCause[]): void {
  const audiences = new Set<string>();
  for (const [index, { audience = '', expirationSeconds }] of requests.entries()) {
    const field = `spec.tokenRequests[${index}]`;
    if (audiences.has(audience)) {
      causes.push(duplicate(`${field}.audience`, audience));
      continue;
    }
    audiences.add(audience);
    if (expirationSeconds === undefined) continue;
    const path = `${field}.expirationSeconds`;
    if (expirationSeconds < minTokenLife) {
      causes.push(invalid(path, expirationSeconds, 'may not specify a duration less than 10 minutes'));
    }
    if (expirationSeconds > maxTokenLife) {
      causes.push(invalid(path, expirationSeconds, 'may not specify a duration larger than 2^32 seconds'));
    }
  }
}

function validateDriver(
  { name, nodeID, topologyKeys = [] }: CSINodeDriver,
  field: string,
  causes: StatusCause[],
): void {
  const fault = name && isDnsSubdomain(name.toLowerCase());
  if (fault) causes.push(invalid(`${field}.name`, name.toLowerCase(), fault));
  if (nodeID?.length > maxNodeId) {
    causes.push(invalid(`${field}.nodeID`, nodeID, `must be ${maxNodeId} characters or less`));
  }
  const repeated = repeats(topologyKeys);
  for (const [index, key] of topologyKeys.entries()) {
    if (key === '') causes.push(required(field));
    if (repeated.has(index)) causes.push(duplicate(field, key));
    const wrong = isQualifiedName(key);
    if (wrong) causes.push(invalid(field, key, wrong));
  }
}
