import { describe, expect, it } from 'vitest';
import { isConfined } from './sandbox-status.ts';

const confined = `Name:\tsandbox
Umask:\t0777
State:\tS (sleeping)
Uid:\t65535\t65535\t65535\t65535
Gid:\t65535\t65535\t65535\t65535
Groups:\t 
CapInh:\t0000000000000000
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
CapBnd:\t0000000000000000
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
`;

describe('a sandbox’s program', () => {
  it('is confined when it has nothing left and waits for its signals', () => {
    expect(isConfined(confined)).toBe(true);
  });

  it.each([
    ['CapInh:\t0000000000000000', 'CapInh:\t0000000000000001'],
    ['CapPrm:\t0000000000000000', 'CapPrm:\t0000000000200000'],
    ['CapEff:\t0000000000000000', 'CapEff:\t0000000000200000'],
    ['CapBnd:\t0000000000000000', 'CapBnd:\t0000000000200000'],
    ['CapAmb:\t0000000000000000', 'CapAmb:\t0000000000200000'],
    ['Uid:\t65535\t65535\t65535\t65535', 'Uid:\t65535\t65535\t0\t65535'],
    ['Gid:\t65535\t65535\t65535\t65535', 'Gid:\t0\t0\t0\t0'],
    ['Groups:\t ', 'Groups:\t0 '],
    ['NoNewPrivs:\t1', 'NoNewPrivs:\t0'],
    ['Seccomp:\t2', 'Seccomp:\t0'],
    ['Umask:\t0777', 'Umask:\t0022'],
    ['CapBnd:\t0000000000000000\n', ''],
  ])('is not confined with %j as %j', (line, instead) => {
    expect(isConfined(confined.replace(line, instead))).toBe(false);
    expect(confined).toContain(line);
  });
});
