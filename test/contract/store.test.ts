import { MemoryStore } from '../../control-plane/store/memory.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { storeContract } from './store.ts';

storeContract('memory', async () => {
  const clock = new VirtualClock();
  const store = new MemoryStore({ clock });
  return { store, advance: (ms) => clock.advance(ms), cleanup: () => store.close() };
});
