import type { Command } from '../commands/command.ts';
import { agentProgram } from './agent.ts';
import { secretsProgram } from './secrets.ts';
import { serverProgram } from './server.ts';

/**
 * Commands that run parts of the control plane or of a node on this machine, by name. They load their modules when they run, and the
 * commands of users are not loaded beside them: that is a tenth of an agent's memory.
 */
export const programs: Readonly<Record<string, Command>> = {
  server: serverProgram,
  secrets: secretsProgram,
  agent: agentProgram,
};
