import { messageOf } from '../../../shared/errors.ts';
import type { ComponentStatus } from '../../../shared/generated/types.ts';
import { tickKey } from '../../store/keys.ts';
import type { Core } from '../requests/core.ts';
import type { KindHandler } from '../requests/unstored.ts';

/** The status of the store, the only part of the control plane outside of this process. */
export const componentStatuses: KindHandler = {
  async list({ core, context }) {
    context.warnings.push('v1 ComponentStatus is deprecated in v1.19+');
    return [await storeStatus(core)];
  },
};

async function storeStatus(core: Core): Promise<ComponentStatus> {
  const head = { apiVersion: 'v1', kind: 'ComponentStatus', metadata: { name: 'etcd-0' } } as ComponentStatus;
  try {
    await core.store.get(tickKey);
    return { ...head, conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }] };
  } catch (error) {
    return { ...head, conditions: [{ type: 'Healthy', status: 'False', error: messageOf(error) }] };
  }
}
