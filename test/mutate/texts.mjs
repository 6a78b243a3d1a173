/**
 * A Stryker plugin that leaves out what only a reader of the log sees: the arguments of `log.LEVEL(…)`.
 * It is plain JavaScript, since Stryker loads plugins without a TypeScript loader.
 */
const levels = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);

function isLogCall(node) {
  if (node.type !== 'CallExpression' && node.type !== 'OptionalCallExpression') return false;
  const { callee } = node;
  if (!callee.property || !levels.has(callee.property.name)) return false;
  const owner = callee.object.property?.name ?? callee.object.name ?? '';
  return /log(ger)?$/i.test(owner);
}

export const strykerPlugins = [
  {
    kind: 'Ignore',
    name: 'texts',
    value: { shouldIgnore: (path) => (isLogCall(path.node) ? 'the text of a log line' : undefined) },
  },
];
