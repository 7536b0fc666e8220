// The command line with shells of this machine where SSH would be, and somebody else at work on every host.
import { registerHooks } from 'node:module';

const shells = new URL('locked-shells.ts', import.meta.url).href;
registerHooks({
  resolve: (specifier, context, next) =>
    specifier.endsWith('/ssh/connect.ts') ? { url: shells, shortCircuit: true } : next(specifier, context),
});
const { main } = await import('../../src/cli/program.ts');
await main(process.argv);
