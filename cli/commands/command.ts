import type { Argv } from 'yargs';
import type { Io } from '../io.ts';

export interface CommandContext {
  readonly io: Io;
  /** The arguments after `--`, for a program in a container. */
  readonly words: readonly string[];
}

/** Adds one command, with its subcommands, to the program. */
export type Command = (program: Argv, context: CommandContext) => void;
