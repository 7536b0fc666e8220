import { expect, test } from 'vitest';
import { codeOf } from './shell-code.ts';

test.each([
  [`echo 'a > b' >c # > d`, `echo '     ' >c      `],
  [`a "x > $(cp "y" >z) '" >w`, `a "x _ $(cp "y" >z) '" >w`],
  [`runuser -- sh -c 'cat >x'`, `runuser -- sh -c 'cat >x'`],
  [`trap 'rm -f "$x"' EXIT`, `trap 'rm -f "$x"' EXIT`],
  [`echo it\\'s >x`, `echo it\\'s >x`],
  [`awk '\n$1 > 2\n' >x`, `awk '\n      \n' >x`],
  ['echo ${x#y} >z', 'echo ${x#y} >z'],
])('%j', (script, code) => {
  expect(codeOf(script)).toBe(code);
});
