import type { ControllerDefinition } from '../definition.ts';
import { certificatesAccount } from './account.ts';
import { createCertificateController } from './controller.ts';

export const certificates: ControllerDefinition = {
  account: certificatesAccount,
  create: (deps, { authority }) => authority && createCertificateController(deps, authority),
};
