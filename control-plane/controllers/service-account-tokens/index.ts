import type { ControllerDefinition } from '../definition.ts';
import { createTokenSecretController } from './controller.ts';

export const serviceAccountTokens: ControllerDefinition = {
  create: (deps, { authority, issueToken }) =>
    authority &&
    issueToken &&
    createTokenSecretController(deps, { certificate: authority.certificate, issue: issueToken }),
};
