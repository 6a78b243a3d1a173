import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { pack } from 'tar-stream';
import { RuntimeError } from '../runtime.ts';
import { type Engine, longMs } from './engine.ts';

/**
 * The image of every sandbox: one static program of a few hundred bytes, made here, as there may be no registry. The program is the first
 * process of the sandbox. It
 *   1. with an argument, moves into a new network namespace (and exits with the error's number when that fails),
 *   2. confines itself: empties its capability sets, the bounding set first, becomes `sandboxUser` without groups, sets no_new_privs, stops
 *      being dumpable, blocks all signals, and allows itself by a seccomp filter only the calls of the next step,
 *   3. sets its umask, which shows that it is confined, and waits for signals: reaps children on SIGCHLD, ends on SIGTERM and SIGINT.
 * Containers may share its process namespace and try to trace it: `sandbox-status.ts` checks that it is confined.
 *
 * The sandbox makes its network namespace itself, as the engine takes twice as long for one. Containers join `/proc/PID/ns/net`.
 */
export const sandboxCommand = '/sandbox';
/** The argument for a network namespace. */
export const ownNetwork = 'network';

type Architecture = 'amd64' | 'arm64';

/** The kernel's number of an architecture (AUDIT_ARCH), and of the system calls of the waiting sandbox. */
const systemCalls: Readonly<
  Record<Architecture, { audit: number; rtSigtimedwait: number; wait4: number; umask: number; exitGroup: number }>
> = {
  amd64: { audit: 0xc000_003e, rtSigtimedwait: 128, wait4: 61, umask: 95, exitGroup: 231 },
  arm64: { audit: 0xc000_00b7, rtSigtimedwait: 137, wait4: 260, umask: 166, exitGroup: 94 },
};

/** The image's name for an architecture of the engine's `info` (`x86_64`, `aarch64`). */
export function sandboxImage(architecture: string): { name: string; architecture: Architecture } {
  const supported: Architecture | undefined = /^(x86_64|amd64)$/.test(architecture)
    ? 'amd64'
    : /^(aarch64|arm64)$/.test(architecture)
      ? 'arm64'
      : undefined;
  if (!supported) throw new RuntimeError('Unavailable', `no sandbox program for the architecture ${architecture}`);
  const hash = createHash('sha256').update(sandboxProgram(supported)).digest('hex').slice(0, 16);
  return { name: `coracle/sandbox:${hash}`, architecture: supported };
}

/**
 * The id of the image, which is imported unless the engine has it. It is checked by its only layer, not by its name: a pod could have another
 * image of that name pulled, whose program would run with the sandbox's capabilities.
 */
export async function ensureSandboxImage(engine: Engine, architecture: string, signal?: AbortSignal): Promise<string> {
  const image = sandboxImage(architecture);
  const archive = pack();
  archive.entry({ name: sandboxCommand.slice(1), mode: 0o755, mtime: new Date(0) }, sandboxProgram(image.architecture));
  archive.finalize();
  const tar = await buffer(archive);
  const found = await engine.findImage(image.name, signal);
  if (found && isOnlyLayer(found, tar)) return found.Id;
  const [repo, tag] = image.name.split(':');
  return engine.call(
    'import image',
    async (abortSignal) => {
      const changes = [`ENTRYPOINT ["${sandboxCommand}"]`];
      const answer = await engine.docker.importImage(tar as never, { repo, tag, changes, abortSignal });
      return importedId((await buffer(answer)).toString());
    },
    { signal, deadlineMs: longMs },
  );
}

/** The id of a layer is the digest of its archive. */
function isOnlyLayer({ RootFS: { Layers: layers = [] } }: Docker.ImageInspectInfo, tar: Buffer): boolean {
  const digest = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
  return layers.length === 1 && layers[0] === digest;
}

/** The id from the engine's answer to an import: JSON lines, the last of which has it as `status`. Throws RuntimeError. */
function importedId(answer: string): string {
  const id = /"status":"(sha256:[0-9a-f]{64})"/.exec(answer)?.[1];
  if (id === undefined || answer.includes('"errorDetail"')) throw new RuntimeError('ImagePull', answer);
  return id;
}

/** The program as an ELF file of one readable and executable segment. */
function sandboxProgram(architecture: Architecture): Buffer {
  const code = Buffer.concat([architecture === 'amd64' ? amd64 : arm64, seccompFilter(architecture)]);
  const headerBytes = 64 + 56;
  const base = 0x400000n;
  const file = Buffer.alloc(headerBytes + code.length);
  // ELF header: 64 bit, little endian, executable.
  file.write('\x7fELF', 'latin1');
  file.set([2, 1, 1], 4);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(architecture === 'amd64' ? 62 : 183, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(base + BigInt(headerBytes), 24); // entry
  file.writeBigUInt64LE(64n, 32); // program headers
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt16LE(64, 58);
  // Program header: PT_LOAD, read and execute, the whole file, aligned for pages of up to 64 KiB.
  file.writeUInt32LE(1, 64);
  file.writeUInt32LE(5, 68);
  file.writeBigUInt64LE(0n, 72);
  file.writeBigUInt64LE(base, 80);
  file.writeBigUInt64LE(base, 88);
  file.writeBigUInt64LE(BigInt(file.length), 96);
  file.writeBigUInt64LE(BigInt(file.length), 104);
  file.writeBigUInt64LE(0x10000n, 112);
  code.copy(file, headerBytes);
  return file;
}

/** A filter of nine instructions (struct sock_filter): four system calls are allowed, all others fail with EPERM. */
function seccompFilter(architecture: Architecture): Buffer {
  const { audit, ...allowed } = systemCalls[architecture];
  const numbers = Object.values(allowed);
  const [load, jumpIfEqual, answer] = [0x20, 0x15, 0x06];
  const instructions = [
    [load, 0, 0, 4], // seccomp_data.arch
    [jumpIfEqual, 0, numbers.length + 1, audit],
    [load, 0, 0, 0], // seccomp_data.nr
    ...numbers.map((number, i) => [jumpIfEqual, numbers.length - i, 0, number]),
    [answer, 0, 0, 0x0005_0001], // SECCOMP_RET_ERRNO, EPERM
    [answer, 0, 0, 0x7fff_0000], // SECCOMP_RET_ALLOW
  ];
  const filter = Buffer.alloc(instructions.length * 8);
  for (const [i, [code = 0, yes = 0, no = 0, value = 0]] of instructions.entries()) {
    filter.writeUInt16LE(code, i * 8);
    filter.writeUInt8(yes, i * 8 + 2);
    filter.writeUInt8(no, i * 8 + 3);
    filter.writeUInt32LE(value, i * 8 + 4);
  }
  return filter;
}

const amd64 = hex(`
  ; start:
  83 3c 24 02          ; cmp DWORD PTR [rsp],0x2   (argc)
  7c 16                ; jl confine
  bf 00 00 00 40       ; mov edi,0x40000000   (CLONE_NEWNET)
  b8 10 01 00 00       ; mov eax,0x110   (unshare)
  0f 05                ; syscall
  85 c0                ; test eax,eax
  89 c7                ; mov edi,eax
  0f 85 fc 00 00 00    ; jne exit
  ; confine:
  31 db                ; xor ebx,ebx
  ; bounding:
  bf 18 00 00 00       ; mov edi,0x18   (PR_CAPBSET_DROP)
  89 de                ; mov esi,ebx
  b8 9d 00 00 00       ; mov eax,0x9d   (prctl)
  0f 05                ; syscall
  ff c3                ; inc ebx
  85 c0                ; test eax,eax
  79 ec                ; jns bounding
  31 ff                ; xor edi,edi
  31 f6                ; xor esi,esi
  b8 74 00 00 00       ; mov eax,0x74   (setgroups, to none)
  0f 05                ; syscall
  bf ff ff 00 00       ; mov edi,0xffff   (65535)
  89 fe                ; mov esi,edi
  89 fa                ; mov edx,edi
  b8 77 00 00 00       ; mov eax,0x77   (setresgid)
  0f 05                ; syscall
  b8 75 00 00 00       ; mov eax,0x75   (setresuid)
  0f 05                ; syscall
  6a 00                ; push 0x0
  6a 00                ; push 0x0
  6a 00                ; push 0x0
  48 89 e6             ; mov rsi,rsp
  68 22 05 08 20       ; push 0x20080522   (_LINUX_CAPABILITY_VERSION_3)
  48 89 e7             ; mov rdi,rsp
  b8 7e 00 00 00       ; mov eax,0x7e   (capset, with nothing)
  0f 05                ; syscall
  bf 26 00 00 00       ; mov edi,0x26   (PR_SET_NO_NEW_PRIVS)
  be 01 00 00 00       ; mov esi,0x1
  31 d2                ; xor edx,edx
  45 31 d2             ; xor r10d,r10d
  45 31 c0             ; xor r8d,r8d
  b8 9d 00 00 00       ; mov eax,0x9d   (prctl)
  0f 05                ; syscall
  bf 04 00 00 00       ; mov edi,0x4   (PR_SET_DUMPABLE)
  31 f6                ; xor esi,esi
  b8 9d 00 00 00       ; mov eax,0x9d   (prctl)
  0f 05                ; syscall
  6a ff                ; push 0xffffffffffffffff
  48 89 e6             ; mov rsi,rsp
  31 ff                ; xor edi,edi
  31 d2                ; xor edx,edx
  41 ba 08 00 00 00    ; mov r10d,0x8
  b8 0e 00 00 00       ; mov eax,0xe   (rt_sigprocmask, SIG_BLOCK all)
  0f 05                ; syscall
  48 8d 05 6f 00 00 00 ; lea rax,[rip+0x6f]
  50                   ; push rax
  6a 09                ; push 0x9   (its instructions)
  48 89 e2             ; mov rdx,rsp
  bf 01 00 00 00       ; mov edi,0x1
  31 f6                ; xor esi,esi
  b8 3d 01 00 00       ; mov eax,0x13d   (seccomp)
  0f 05                ; syscall
  85 c0                ; test eax,eax
  89 c7                ; mov edi,eax
  75 4e                ; jne exit
  bf ff 01 00 00       ; mov edi,0x1ff   (0777)
  b8 5f 00 00 00       ; mov eax,0x5f   (umask)
  0f 05                ; syscall
  6a ff                ; push 0xffffffffffffffff
  ; wait:
  48 89 e7             ; mov rdi,rsp
  31 f6                ; xor esi,esi
  31 d2                ; xor edx,edx
  41 ba 08 00 00 00    ; mov r10d,0x8
  b8 80 00 00 00       ; mov eax,0x80   (rt_sigtimedwait)
  0f 05                ; syscall
  31 ff                ; xor edi,edi
  83 f8 0f             ; cmp eax,0xf   (SIGTERM)
  74 25                ; je exit
  83 f8 02             ; cmp eax,0x2   (SIGINT)
  74 20                ; je exit
  83 f8 11             ; cmp eax,0x11   (SIGCHLD)
  75 db                ; jne wait
  ; reap:
  48 83 cf ff          ; or rdi,0xffffffffffffffff
  31 f6                ; xor esi,esi
  ba 01 00 00 00       ; mov edx,0x1
  45 31 d2             ; xor r10d,r10d
  b8 3d 00 00 00       ; mov eax,0x3d   (wait4, WNOHANG)
  0f 05                ; syscall
  85 c0                ; test eax,eax
  7f e7                ; jg reap
  eb c0                ; jmp wait
  ; exit:
  b8 e7 00 00 00       ; mov eax,0xe7   (exit_group)
  0f 05                ; syscall
`);

const arm64 = words(`
  ; start:
  f94003e9           ; ldr x9, [sp]   (argc)
  f100093f           ; cmp x9, #0x2
  540000ab           ; b.lt confine
  d2a80000           ; mov x0, #0x40000000   (CLONE_NEWNET)
  d2800c28           ; mov x8, #0x61   (unshare)
  d4000001           ; svc #0x0
  35000a60           ; cbnz w0, exit
  ; confine:
  d2800013           ; mov x19, #0x0
  ; bounding:
  d2800300           ; mov x0, #0x18   (PR_CAPBSET_DROP)
  aa1303e1           ; mov x1, x19
  d28014e8           ; mov x8, #0xa7   (prctl)
  d4000001           ; svc #0x0
  91000673           ; add x19, x19, #0x1
  36ffff60           ; tbz w0, #31, bounding
  d2800000           ; mov x0, #0x0
  d2800001           ; mov x1, #0x0
  d28013e8           ; mov x8, #0x9f   (setgroups, to none)
  d4000001           ; svc #0x0
  d29fffe0           ; mov x0, #0xffff   (65535)
  aa0003e1           ; mov x1, x0
  aa0003e2           ; mov x2, x0
  d28012a8           ; mov x8, #0x95   (setresgid)
  d4000001           ; svc #0x0
  d29fffe0           ; mov x0, #0xffff   (65535)
  d2801268           ; mov x8, #0x93   (setresuid)
  d4000001           ; svc #0x0
  a9bf7fff           ; stp xzr, xzr, [sp, #-16]!
  a9bf7fff           ; stp xzr, xzr, [sp, #-16]!
  910003e1           ; mov x1, sp
  5280a449           ; mov w9, #0x522
  72a40109           ; movk w9, #0x2008, lsl #16   (_LINUX_CAPABILITY_VERSION_3)
  f81f0fe9           ; str x9, [sp, #-16]!
  910003e0           ; mov x0, sp
  d2800b68           ; mov x8, #0x5b   (capset, with nothing)
  d4000001           ; svc #0x0
  d28004c0           ; mov x0, #0x26   (PR_SET_NO_NEW_PRIVS)
  d2800021           ; mov x1, #0x1
  d2800002           ; mov x2, #0x0
  d2800003           ; mov x3, #0x0
  d2800004           ; mov x4, #0x0
  d28014e8           ; mov x8, #0xa7   (prctl)
  d4000001           ; svc #0x0
  d2800080           ; mov x0, #0x4   (PR_SET_DUMPABLE)
  d2800001           ; mov x1, #0x0
  d4000001           ; svc #0x0
  92800009           ; mov x9, #0xffffffffffffffff
  f81f0fe9           ; str x9, [sp, #-16]!
  d2800000           ; mov x0, #0x0
  910003e1           ; mov x1, sp
  d2800002           ; mov x2, #0x0
  d2800103           ; mov x3, #0x8
  d28010e8           ; mov x8, #0x87   (rt_sigprocmask, SIG_BLOCK all)
  d4000001           ; svc #0x0
  100004ca           ; adr x10, filter
  d2800129           ; mov x9, #0x9   (its instructions)
  a9bf2be9           ; stp x9, x10, [sp, #-16]!
  d2800020           ; mov x0, #0x1
  d2800001           ; mov x1, #0x0
  910003e2           ; mov x2, sp
  d28022a8           ; mov x8, #0x115   (seccomp)
  d4000001           ; svc #0x0
  35000380           ; cbnz w0, exit
  d2803fe0           ; mov x0, #0x1ff   (0777)
  d28014c8           ; mov x8, #0xa6   (umask)
  d4000001           ; svc #0x0
  92800009           ; mov x9, #0xffffffffffffffff
  f81f0fe9           ; str x9, [sp, #-16]!
  ; wait:
  910003e0           ; mov x0, sp
  d2800001           ; mov x1, #0x0
  d2800002           ; mov x2, #0x0
  d2800103           ; mov x3, #0x8
  d2801128           ; mov x8, #0x89   (rt_sigtimedwait)
  d4000001           ; svc #0x0
  71003c1f           ; cmp w0, #0xf   (SIGTERM)
  540001c0           ; b.eq done
  7100081f           ; cmp w0, #0x2   (SIGINT)
  54000180           ; b.eq done
  7100441f           ; cmp w0, #0x11   (SIGCHLD)
  54fffea1           ; b.ne wait
  ; reap:
  92800000           ; mov x0, #0xffffffffffffffff
  d2800001           ; mov x1, #0x0
  d2800022           ; mov x2, #0x1
  d2800003           ; mov x3, #0x0
  d2802088           ; mov x8, #0x104   (wait4, WNOHANG)
  d4000001           ; svc #0x0
  7100001f           ; cmp w0, #0x0
  54ffff2c           ; b.gt reap
  17ffffec           ; b wait
  ; done:
  d2800000           ; mov x0, #0x0
  ; exit:
  d2800bc8           ; mov x8, #0x5e   (exit_group)
  d4000001           ; svc #0x0
`);

function hex(text: string): Buffer {
  return Buffer.from(text.replace(/;.*$/gm, '').replace(/\s/g, ''), 'hex');
}

/** Instructions of 32 bits, written as numbers, stored little endian. */
function words(text: string): Buffer {
  return hex(text).swap32();
}
