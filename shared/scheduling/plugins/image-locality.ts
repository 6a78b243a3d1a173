import type { Plugin } from '../plugin.ts';

/** Images below the first size do not count, and above the second they count the same, as in Kubernetes. */
const smallestBytes = 23 * 1024 * 1024;
const largestBytes = 1000 * 1024 * 1024;

/** Nodes that have the pod's images are better, by the size of the images. */
export const imageLocality: Plugin = {
  name: 'ImageLocality',
  scope: 'node',
  events: [],
  prepare({ images }) {
    if (images.length === 0) return undefined;
    const names = images.map(normalized);
    const largest = largestBytes * images.length;
    return {
      score(node) {
        if (node.images.size === 0) return 0;
        let bytes = 0;
        for (const name of names) bytes += node.images.get(name) ?? 0;
        return (100 * (Math.min(largest, Math.max(smallestBytes, bytes)) - smallestBytes)) / (largest - smallestBytes);
      },
    };
  },
};

/** Nodes list images with their tag. */
function normalized(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}
