/** The objects that the benchmarks create. */

export const podsPath = '/api/v1/namespaces/default/pods';

/**
 * A pod as a Deployment of a small service would make it: a server with probes and limits, and a sidecar that shares a
 * volume with it. `more` goes into its spec.
 */
export function servicePod(name: string, more: Record<string, unknown> = {}): object {
  const resources = (cpu: string, memory: string): object => ({
    requests: { cpu, memory },
    limits: { cpu: '1', memory: '256Mi' },
  });
  const content = { name: 'content', mountPath: '/www' };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: { app: 'shop', tier: 'front', 'app.kubernetes.io/name': 'shop', 'app.kubernetes.io/version': '1.7.3' },
      annotations: { 'example.com/revision': 'b0c4e1f7d9a2', 'example.com/team': 'storefront' },
    },
    spec: {
      ...more,
      containers: [
        {
          name: 'web',
          image: 'registry.example.com/shop/web:1.7.3',
          ports: [{ name: 'http', containerPort: 8080 }],
          env: [
            { name: 'LISTEN', value: ':8080' },
            { name: 'DATABASE_HOST', value: 'orders.shop.svc.cluster.local' },
            { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          ],
          resources: resources('50m', '64Mi'),
          readinessProbe: { httpGet: { path: '/ready', port: 'http' }, periodSeconds: 5 },
          livenessProbe: { httpGet: { path: '/live', port: 'http' }, initialDelaySeconds: 10 },
          volumeMounts: [{ ...content, readOnly: true }],
        },
        {
          name: 'refresh',
          image: 'registry.example.com/shop/refresh:1.7.3',
          args: ['--every', '30s', '--into', '/www'],
          resources: resources('10m', '32Mi'),
          volumeMounts: [content],
        },
      ],
      volumes: [{ name: 'content', emptyDir: { sizeLimit: '64Mi' } }],
    },
  };
}

/** Bodies of so many pods of one template, named `PREFIX-N`. */
export function podBodies(prefix: string, count: number, more: Record<string, unknown> = {}): Buffer[] {
  return Array.from({ length: count }, (_, i) => Buffer.from(JSON.stringify(servicePod(`${prefix}-${i}`, more))));
}
