/** Objects of the namespace `default` as a client creates them. */

export const podDraft = (name: string, more: object = {}) => ({
  metadata: { name, namespace: 'default', ...more },
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
});

export const configMapDraft = (name: string, data: Record<string, string> = {}) => ({
  metadata: { name, namespace: 'default' },
  data,
});

/** Of one replica. */
export const deploymentDraft = (name: string) => ({
  metadata: { name, namespace: 'default' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'app', image: 'app:1' }] },
    },
  },
});
