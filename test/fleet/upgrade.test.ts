import { describe, expect, it } from 'vitest';
import { Deployer, fleetOf } from './clouds.ts';

describe('an upgrade', () => {
  it('ends with all of the cloud on the new release', async () => {
    const fleet = fleetOf({ computes: 6 });
    const deployer = new Deployer(fleet);
    const t = performance.now();
    const verdict = await deployer.run();
    console.log(verdict, performance.now() - t, fleet.clock.now() / 1000, deployer.written, deployer.state);
    console.log(fleet.deeds.map((d) => `${d.to.toFixed(1)} ${d.step} ${d.changed}`).join('\n'));
    expect(verdict).toEqual({ kind: 'finished' });
  });
  it('1000', async () => {
    const t0 = performance.now();
    const fleet = fleetOf({ computes: 1000, cells: 20 });
    const deployer = new Deployer(fleet);
    const t = performance.now();
    const verdict = await deployer.run();
    console.log(t - t0, performance.now() - t, fleet.clock.now() / 1000, deployer.written);
    expect(verdict).toEqual({ kind: 'finished' });
  }, 60000);
});
