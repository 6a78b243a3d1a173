import { runMain } from '../../cli/main.ts';

/** `coracle …` from its sources, in a process of its own. */
await runMain();
