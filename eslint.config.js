import eslint from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const ts = {
  files: ['**/*.ts'],
  extends: [tseslint.configs.strictTypeChecked],
  languageOptions: { parserOptions: { projectService: true } },
  rules: {
    // The compiler's noUncheckedIndexedAccess asks for `!` where an index is known to be good.
    '@typescript-eslint/no-non-null-assertion': 'off',
    '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
  },
};

// What a host or a file says is masked and made printable before it is shown: cli/output.ts is the only way out.
const oneWayOut = {
  files: ['src/**/*.ts'],
  ignores: ['src/cli/output.ts', 'src/cli/demo.ts', 'src/lab/**'],
  rules: {
    'no-console': 'error',
    'no-restricted-syntax': [
      'error',
      {
        selector: 'MemberExpression[object.object.name="process"][object.property.name=/^std(out|err)$/][property.name="write"]',
        message: 'Text goes out by src/cli/output.ts.',
      },
    ],
  },
};

export default defineConfig(globalIgnores(['dist/', 'node_modules/']), eslint.configs.recommended, ts, oneWayOut);
