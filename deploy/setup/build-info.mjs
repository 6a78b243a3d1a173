// Writes the commit for `/version` into shared/generated/build.ts, from git or, without a repository, from CORACLE_COMMIT.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const git = (...args) => {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
};

const commit = process.env.CORACLE_COMMIT || git('rev-parse', 'HEAD') || 'unknown';
const dirty = git('status', '--porcelain');
const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const build = {
  commit,
  treeState: dirty === undefined ? 'archive' : dirty === '' ? 'clean' : 'dirty',
  date: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
  compiler: `tsc ${devDependencies.typescript}`,
};
mkdirSync('shared/generated', { recursive: true });
const source = `/** What was built: the commit, whether the tree was as committed, when (RFC 3339), and by which compiler. */
export const build = ${JSON.stringify(build, null, 2)} as const;
`;
writeFileSync('shared/generated/build.ts', source);
