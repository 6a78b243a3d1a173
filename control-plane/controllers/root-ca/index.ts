import type { ControllerDefinition } from '../definition.ts';
import { rootCaAccount } from './account.ts';
import { createRootCertificatePublisher } from './controller.ts';

export const rootCa: ControllerDefinition = {
  account: rootCaAccount,
  create: (deps, { authority }) => authority && createRootCertificatePublisher(deps, authority.certificate),
};
