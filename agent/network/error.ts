/** `Command`: a system tool failed; its output is the message. `Address`: not an address, name or range that can be used. */
export class NetworkError extends Error {
  readonly code: 'Command' | 'Address' | 'Exhausted' | 'Refused';

  constructor(code: NetworkError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NetworkError';
    this.code = code;
  }
}
