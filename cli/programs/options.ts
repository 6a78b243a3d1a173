export const logLevel = {
  choices: ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const,
  default: 'info' as const,
  describe: 'Lowest level of log lines',
};

/** The values of an option that may be repeated or hold several with commas. */
export function commaSeparated(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(',')).filter((value) => value !== '');
}
