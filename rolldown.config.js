import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'rolldown';

// What ships is a few large files instead of 250 small ones: finding and reading these was a fifth of every start. They lie
// in dist/cli, as deep as src/cli, so that paths like ../../roles mean the same in both.
export default defineConfig({
  input: 'src/cli/main.ts',
  platform: 'node',
  // It chooses by itself between native parts and plain ones.
  external: ['ssh2'],
  output: { dir: 'dist/cli', cleanDir: true, sourcemap: true },
  plugins: [{ name: 'third-party', generateBundle: addLicences }],
});

// The packages that are bundled do not come with their own files, so the words of their licences go along.
function addLicences(_options, bundle) {
  const modules = Object.values(bundle).flatMap((file) => (file.type === 'chunk' ? Object.keys(file.modules) : []));
  const packages = new Set(modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []));
  const source = [...packages]
    .sort()
    .map(licenceOf)
    .join(`\n${'-'.repeat(78)}\n\n`);
  this.emitFile({ type: 'asset', fileName: 'THIRD-PARTY.txt', source });
}

function licenceOf(directory) {
  const { name, version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  const files = readdirSync(directory).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
  return [`${name} ${version}: ${license}\n`, ...files.map((file) => readFileSync(join(directory, file), 'utf8'))].join('\n');
}
