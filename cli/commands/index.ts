import type { Argv } from 'yargs';
import type { Io } from '../io.ts';
import { addAuthCommands } from './auth.ts';
import { addClusterCommands } from './cluster.ts';
import { addObjectCommands } from './objects.ts';
import { addOperationCommands } from './operations.ts';
import { addStreamCommands } from './streams.ts';

/** What people do with a cluster. `words`: what stands behind `--`. */
export function addCommands(program: Argv, io: Io, words: readonly string[]): void {
  addClusterCommands(program, io);
  addObjectCommands(program, io);
  addOperationCommands(program, io);
  addStreamCommands(program, io, words);
  addAuthCommands(program, io);
}
