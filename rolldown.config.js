import { defineConfig } from 'rolldown';

// What ships is a few large files instead of 250 small ones: finding and reading these was a fifth of every start. They lie
// in dist/cli, as deep as src/cli, so that paths like ../../roles mean the same in both.
export default defineConfig({
  input: 'src/cli/main.ts',
  platform: 'node',
  // It chooses by itself between native parts and plain ones.
  external: ['ssh2'],
  output: { dir: 'dist/cli', cleanDir: true, sourcemap: true },
});
