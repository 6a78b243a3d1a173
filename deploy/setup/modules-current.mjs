// Exits with 0 when node_modules matches package-lock.json. Runs before any installation.
import { readFileSync } from 'node:fs';

const read = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  } catch {
    return undefined;
  }
};

const wanted = read('package-lock.json');
const installed = read('node_modules/.package-lock.json');
const current =
  wanted !== undefined &&
  installed !== undefined &&
  Object.entries(wanted).every(
    ([path, { version, optional, peer, link }]) =>
      path === '' ||
      link === true ||
      installed[path]?.version === version ||
      // Modules of other platforms are optional.
      (installed[path] === undefined && (optional === true || peer === true)),
  );
process.exit(current ? 0 : 1);
