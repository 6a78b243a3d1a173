import { applyCommand } from './apply.ts';
import { attachCommand } from './attach.ts';
import { authCommand } from './auth.ts';
import type { Command } from './command.ts';
import { cordonCommand } from './cordon.ts';
import { cpCommand } from './cp.ts';
import { debugCommand } from './debug.ts';
import { deleteCommand } from './delete.ts';
import { describeCommand } from './describe.ts';
import { drainCommand } from './drain.ts';
import { eventsCommand } from './events.ts';
import { execCommand } from './exec.ts';
import { getCommand } from './get.ts';
import { kubeconfigCommand } from './kubeconfig.ts';
import { logsCommand } from './logs.ts';
import { nodeCommand } from './node.ts';
import { portForwardCommand } from './port-forward.ts';
import { rolloutCommand } from './rollout.ts';
import { runCommand } from './run.ts';
import { scaleCommand } from './scale.ts';
import { tokenCommand } from './token.ts';
import { topCommand } from './top.ts';
import { uncordonCommand } from './uncordon.ts';
import { versionCommand } from './version.ts';
import { volumeCommand } from './volume.ts';
import { whyCommand } from './why.ts';

/** The commands of users, in the order of the help. A new command is a file here and a line in this table. */
export const commands: readonly Command[] = [
  tokenCommand,
  nodeCommand,
  kubeconfigCommand,
  versionCommand,
  applyCommand,
  getCommand,
  describeCommand,
  deleteCommand,
  logsCommand,
  scaleCommand,
  rolloutCommand,
  cordonCommand,
  uncordonCommand,
  drainCommand,
  eventsCommand,
  topCommand,
  volumeCommand,
  whyCommand,
  execCommand,
  attachCommand,
  portForwardCommand,
  cpCommand,
  runCommand,
  debugCommand,
  authCommand,
];
