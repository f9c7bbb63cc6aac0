import { describe, expect, it } from 'vitest';
import { VirtualClock } from './clock.ts';

describe('virtual clock', () => {
  it('runs timers in their order, at their time', () => {
    const clock = new VirtualClock(0);
    const seen: string[] = [];
    clock.after(30, () => seen.push(`c ${clock.now()}`));
    clock.after(10, () => seen.push(`a ${clock.now()}`));
    clock.after(10, () => seen.push(`b ${clock.now()}`));
    clock.after(20, () => seen.push('cancelled'))();
    clock.advance(15);
    expect(seen).toEqual(['a 10', 'b 10']);
    expect(clock.now()).toBe(15);
    clock.advance(100);
    expect(seen.at(-1)).toBe('c 30');
  });

  it('lets what was woken go on before time moves again', async () => {
    const clock = new VirtualClock(0);
    const seen: string[] = [];
    const walk = async (name: string, stepMs: number) => {
      for (let step = 0; step < 3; step += 1) {
        await clock.sleep(stepMs);
        seen.push(`${name} ${clock.now()}`);
      }
    };
    await clock.run(Promise.all([walk('a', 10), walk('b', 15)]));
    expect(seen).toEqual(['a 10', 'b 15', 'a 20', 'b 30', 'a 30', 'b 45'].sort((x, y) => Number(x.slice(2)) - Number(y.slice(2))));
  });

  it('stands still while something outside of it is under way', async () => {
    const clock = new VirtualClock(0);
    let late = false;
    clock.after(10, () => {
      late = true;
    });
    const real = () => new Promise<boolean>((resolve) => setTimeout(() => resolve(late), 5));
    expect(await clock.run(clock.outside(real))).toBe(false);
    await clock.pass(10);
    expect(late).toBe(true);
  });

  it('says when what it waits for does not come about', async () => {
    const clock = new VirtualClock(0);
    await expect(clock.run(new Promise(() => {}))).rejects.toThrow(/nothing is left to wait for/);
    clock.every(1000, () => {});
    await expect(clock.until(() => false, 5000)).rejects.toThrow(/within 5000 ms/);
  });
});
