import { FakeEngine } from '../../../agent/runtime/fake/engine.ts';
import { FakeRuntime } from '../../../agent/runtime/fake/fake.ts';
import { systemClock } from '../../../shared/clock.ts';
import { seededRandom } from '../../../shared/random.ts';
import type { RuntimeSubject } from './subject.ts';

export async function fakeSubject(): Promise<RuntimeSubject> {
  const engine = new FakeEngine(
    { clock: systemClock, random: seededRandom(1) },
    {
      images: ['web', 'fake/stubborn', 'fake/nostart', 'fake/exit:0', 'fake/exit:3'],
      sandboxMs: 5,
      startMs: [1, 5],
      stopMs: 1,
    },
  );
  return {
    runtime: new FakeRuntime(engine),
    again: () => new FakeRuntime(engine),
    does: {
      run: { image: 'web' },
      stubborn: { image: 'fake/stubborn' },
      exit: (code) => ({ image: `fake/exit:${code}` }),
      endWith: (code) => ({ image: 'web', args: [`fake.term=${code}`] }),
      oom: { image: 'web', args: ['fake.oom'] },
      print: (lines) => ({ image: 'web', args: lines.map((line) => `fake.log=${line}`) }),
      refused: { image: 'fake/nostart' },
    },
    exec: { succeed: ['true'], fail: (code) => [`fake.exit=${code}`] },
    streams: {
      echo: (word) => ['echo', word],
      cat: ['cat'],
      hang: ['sleep', '1000'],
      echoServer: { image: 'web' },
    },
    kill: async (id) => {
      engine.killSandbox(id);
      engine.exit(id, 137);
    },
    resourcesOf: async (id) => engine.containers.get(id)?.resources ?? {},
    missingImage: 'missing:1',
    close: async () => undefined,
  };
}
