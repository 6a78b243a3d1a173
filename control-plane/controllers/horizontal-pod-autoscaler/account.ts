import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, read } from '../../../shared/rbac/rule-builder.ts';

export const horizontalPodAutoscalerAccount: ControllerAccount = {
  name: 'horizontal-pod-autoscaler',
  rules: [
    allow(read, 'autoscaling', 'horizontalpodautoscalers'),
    allow(['update'], 'autoscaling', 'horizontalpodautoscalers/status'),
    allow(['get', 'update'], '*', '*/scale'),
    allow(['list'], '', 'pods'),
    allow(['list'], 'metrics.k8s.io', 'pods'),
    allow(['get', 'list'], 'custom.metrics.k8s.io', '*'),
    allow(['get', 'list'], 'external.metrics.k8s.io', '*'),
    events,
  ],
};
