/** The provisioner of volumes that are directories on a node. */
export const localProvisioner = 'coracle.io/local';
/** The annotation of a Node: the directory of its local volumes, an absolute path. Absent: the node has none. */
export const localVolumesAnnotation = 'coracle.io/local-volumes';
/** The finalizer of a PersistentVolume whose data its node deletes. */
export const localVolumeFinalizer = 'coracle.io/local-volume';
