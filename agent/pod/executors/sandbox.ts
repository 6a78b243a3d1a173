import { messageOf } from '../../../shared/errors.ts';
import { sandboxSpec } from '../spec/sandbox-spec.ts';
import type { Executor } from './context.ts';
import { nextFailure } from './failure.ts';

const backOff = { firstMs: 1_000, capMs: 30_000 };

export const createSandbox: Executor<'createSandbox'> = async (deps, context, { attempt }, signal) => {
  const { pod } = context;
  if (attempt > 0 && !context.progress.sandboxFailure) {
    deps.event(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
  }
  try {
    const address = pod.spec.hostNetwork ? undefined : deps.allocateAddress(pod.metadata.uid, context.memory.address);
    if (address !== context.memory.address) context.setMemory({ address });
    const { warnings, ...dns } = deps.dnsOf(pod);
    for (const warning of warnings) deps.event(pod, 'Warning', 'DNSConfigForming', warning);
    const made = (id: string): void => context.setProgress({ making: { id, attempt } });
    context.putSandbox(await deps.runtime.createSandbox(sandboxSpec(pod, attempt, address, dns), signal, made));
    context.setProgress({ sandboxFailure: undefined, making: undefined });
  } catch (error) {
    if (signal.aborted) return;
    const message = messageOf(error);
    deps.event(pod, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${message}`);
    const failure = { reason: 'ContainerCreating', message, inputs: {} };
    context.setProgress({
      making: undefined,
      sandboxFailure: nextFailure(context.progress.sandboxFailure, failure, deps.clock.now(), backOff),
    });
    context.resync();
  }
};

export const removeSandbox: Executor<'removeSandbox'> = async (deps, context, { id }) => {
  await deps.runtime.removeSandbox(id);
  context.dropSandbox(id);
};
