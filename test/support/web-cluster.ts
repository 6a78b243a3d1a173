import type { Deployment, Pod } from '../../shared/generated/types.ts';
import { HollowCluster } from './hollow-cluster.ts';

export const labels = { app: 'web' };
export const template = (image = 'web:1') => ({
  metadata: { labels },
  spec: { containers: [{ name: 'web', image }] },
});

export const running = (pods: readonly Pod[]) =>
  pods.filter((pod) => pod.status?.phase === 'Running' && !pod.metadata.deletionTimestamp);
export const imageOf = (pod: Pod) => pod.spec.containers[0]?.image;

/** A hollow cluster for pods labelled app=web. */
export class WebCluster extends HollowCluster {
  /** A Deployment named web. `spec`: further fields of its spec. */
  createDeployment(replicas: number, spec: object = {}): Promise<Deployment> {
    const draft = {
      metadata: { name: 'web', namespace: 'default' },
      spec: { replicas, selector: { matchLabels: labels }, template: template(), ...spec },
    };
    return this.settle(this.client.create('Deployment', draft as never));
  }

  /** Advances until there are so many pods, all of them running and of this image. */
  async untilRunning(count: number, image = 'web:1'): Promise<Pod[]> {
    let pods: Pod[] = [];
    await this.until(async () => {
      pods = await this.pods();
      return pods.length === count && running(pods).filter((pod) => imageOf(pod) === image).length === count;
    }, `${count} pods of ${image}`);
    return pods;
  }
}
