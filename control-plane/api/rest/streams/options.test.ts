import { describe, expect, it } from 'vitest';
import { execQuery, forwardPorts, wayOf } from './options.ts';

const query = (text: string): URLSearchParams => new URLSearchParams(text);

describe('the request for a stream', () => {
  it('names the protocol of the upgrade', () => {
    expect(wayOf({ connection: 'Upgrade', upgrade: 'websocket' })).toBe('websocket');
    expect(wayOf({ connection: 'keep-alive, Upgrade', upgrade: 'SPDY/3.1' })).toBe('spdy');
    expect(wayOf({ connection: 'Upgrade', upgrade: 'h2c' })).toBeUndefined();
    expect(wayOf({ upgrade: 'websocket' })).toBeUndefined();
  });

  it('repeats a parameter for each word of the command, and takes any value but false as true', () => {
    expect(
      execQuery('exec', query('command=sh&command=-c&command=a%20b&stdout=true&stdin=1&stderr=0&container=c')),
    ).toEqual({
      type: 'exec',
      command: ['sh', '-c', 'a b'],
      container: 'c',
      stdin: true,
      stdout: true,
      stderr: false,
      tty: false,
    });
  });

  it('has one output with a terminal', () => {
    expect(execQuery('attach', query('tty=true&stdout=true&stderr=true'))).toMatchObject({ tty: true, stderr: false });
  });

  it('lists ports', () => {
    expect(forwardPorts(query('ports=80,443&ports=8080'))).toEqual([80, 443, 8080]);
    expect(() => forwardPorts(query(''))).toThrow('query parameter "port" is required');
    for (const wrong of ['0', 'x', '65536', '80,', '-1']) {
      expect(() => forwardPorts(query(`ports=${wrong}`)), wrong).toThrow();
    }
  });
});
