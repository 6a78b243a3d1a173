import { expect, it } from 'vitest';
import { bracketed, splitAddress } from './address.ts';

it.each([
  ['10.0.0.1:6443', '10.0.0.1', 6443],
  ['server.example.com:1', 'server.example.com', 1],
  ['[fd00::1]:65535', 'fd00::1', 65_535],
  ['host:0', 'host', 0],
])('%s is a host and a port, and back', (address, host, port) => {
  expect(splitAddress(address)).toEqual({ host, port });
  expect(`${bracketed(host)}:${port}`).toBe(address);
});

it.each([
  '',
  'host',
  ':1',
  'host:',
  'host:65536',
  'host:123456',
  'host:1x',
  'fd00::1:80',
  '[fd00::1]',
  '[]:1',
  'x[a]:1',
  'a]:1',
  'host: 1',
])('%j is no address', (address) => {
  expect(() => splitAddress(address)).toThrow(`"${address}" is not HOST:PORT`);
});
