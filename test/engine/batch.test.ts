import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { raw, sh, withInput, withTimeout, type Command } from '../../src/base/command.ts';
import { Secret } from '../../src/base/secret.ts';
import { batch } from '../../src/engine/batch.ts';
import { runHere } from './local-shell.ts';

// Real processes on two cores that others work on too.
vi.setConfig({ testTimeout: 30_000 });

async function run(commands: readonly Command[], untilFailure = false): Promise<{ code: number; out: string; err: string }[]> {
  const together = batch(commands, untilFailure);
  const outputs = together.split(await runHere(together.command));
  return outputs.map(({ code, out, err }) => ({ code, out: out.toString(), err: err.toString() }));
}

const cat = (text: string): Command => withInput(raw('cat'), text);

describe('each command gets its own answer', () => {
  it.each<[string, readonly Command[], readonly [code: number, out: string, err: string][]]>([
    ['none', [], []],
    ['one', [raw('echo a; echo b >&2; exit 3')], [[3, 'a\n', 'b\n']]],
    [
      'several',
      [raw('echo a'), raw('false'), raw('echo c >&2')],
      [
        [0, 'a\n', ''],
        [1, '', ''],
        [0, '', 'c\n'],
      ],
    ],
    [
      'output without a newline at its end',
      [raw('printf a'), raw('printf "b\\n\\n"'), raw('printf "\\nc"')],
      [
        [0, 'a', ''],
        [0, 'b\n\n', ''],
        [0, '\nc', ''],
      ],
    ],
    [
      'no output',
      [raw(''), raw(':'), raw('# nothing')],
      [
        [0, '', ''],
        [0, '', ''],
        [0, '', ''],
      ],
    ],
    [
      'exit',
      [raw('exit 7'), raw('echo after')],
      [
        [7, '', ''],
        [0, 'after\n', ''],
      ],
    ],
    [
      'set -e',
      [raw('set -e; false; echo no'), raw('false; echo yes')],
      [
        [1, '', ''],
        [0, 'yes\n', ''],
      ],
    ],
    [
      'variables, functions and directories',
      [
        raw('x=1; cd /tmp; f() { echo f; }; umask 0; set -- a b'),
        raw('echo "${x-unset} $# $(pwd)" | sed "s|$(pwd)|here|"; f 2>/dev/null || echo no f'),
      ],
      [
        [0, '', ''],
        [0, 'unset 0 here\nno f\n', ''],
      ],
    ],
    [
      'its own names redefined',
      [raw('mark() { echo mine; }; r=5; trap "echo bye" EXIT; true'), raw('echo ok')],
      [
        [0, 'bye\n', ''],
        [0, 'ok\n', ''],
      ],
    ],
    [
      'exec',
      [raw('exec echo gone'), raw('echo ok')],
      [
        [0, 'gone\n', ''],
        [0, 'ok\n', ''],
      ],
    ],
    [
      'a script of many lines with quotes',
      [raw(`cat <<'EOF'\nit's "quoted" $HOME \`x\` \\\nEOF`), raw('echo ok')],
      [
        [0, `it's "quoted" $HOME \`x\` \\\n`, ''],
        [0, 'ok\n', ''],
      ],
    ],
    [
      'a signal',
      [raw("sh -c 'kill -9 $$'"), raw('echo ok')],
      [
        [137, '', ''],
        [0, 'ok\n', ''],
      ],
    ],
  ])('%s', async (_, commands, expected) => {
    // A shell tells on its own of what was killed.
    const answers = (await run(commands)).map(({ code, out, err }) => [code, out, err.replace(/^.*Killed\n$/, '')]);
    expect(answers).toEqual(expected);
  });

  it.each(['if', 'echo "', '( echo', 'echo )', 'case x in', '} ; {', '<<EOF', "'", 'fi; fi', '&& ||'])(
    'a syntax error touches no other: %j',
    async (script) => {
      const [first, broken, last] = await run([raw('echo first'), raw(script), cat('last')]);
      expect(first).toEqual({ code: 0, out: 'first\n', err: '' });
      // A here-document that never ends is forgiven by most shells.
      if (script !== '<<EOF') expect(broken!.code).not.toBe(0);
      expect(last).toEqual({ code: 0, out: 'last', err: '' });
    },
  );

  it('bytes of all kinds come through', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const together = batch([withInput(raw('cat'), bytes), withInput(raw('cat >&2'), bytes)]);
    const [out, err] = together.split(await runHere(together.command));
    expect(out!.out.equals(bytes)).toBe(true);
    expect(err!.err.equals(bytes)).toBe(true);
  });

  it('output that looks like a marker is output', async () => {
    const fake = randomBytes(16).toString('hex');
    const text = `\n${fake} 0\n\n${fake} 1\n`;
    expect(await run([sh`printf %s ${text}`, raw('exit 4')])).toEqual([
      { code: 0, out: text, err: '' },
      { code: 4, out: '', err: '' },
    ]);
  });

  it('a command that echoes its own script cannot forge an answer', async () => {
    // The marker is in the shell's functions and variables at most, never in what a command is given.
    const together = batch([raw('set; cat /proc/$$/cmdline | tr "\\0" " "'), raw('exit 4')]);
    const [first, second] = together.split(await runHere(together.command));
    expect(second!.code).toBe(4);
    expect(first!.code).toBe(0);
  });
});

describe('standard input', () => {
  it('each gets its own, whatever the others do with theirs', async () => {
    const answers = await run([
      cat('one'),
      withInput(raw('true'), 'unread '.repeat(50_000)),
      cat('three\n'),
      raw('cat'),
      withInput(raw('head -c 2'), 'five and more'),
      withInput(raw('exit 3'), 'not read either'),
      withInput(raw('read -r line; echo "$line"'), 'seven\nrest\n'),
      withInput(raw('syntax error ('), 'eight'),
      withInput(raw('exec <&-'), 'closed'),
      cat(''),
      cat('last'),
    ]);
    expect(answers.map(({ code, out }) => [code, out])).toEqual([
      [0, 'one'],
      [0, ''],
      [0, 'three\n'],
      [0, ''],
      [0, 'fi'],
      [3, ''],
      [0, 'seven\n'],
      [2, ''],
      [0, ''],
      [0, ''],
      [0, 'last'],
    ]);
  });

  it('counts bytes, not letters, and reveals secrets there alone', async () => {
    const together = batch([withInput(raw('cat'), Secret.of('db', 'cänary🦀')), cat('é'), cat('x')]);
    expect(together.command.script).not.toContain('nary');
    const answers = together.split(await runHere(together.command));
    expect(answers.map(({ out }) => out.toString())).toEqual(['cänary🦀', 'é', 'x']);
  });

  it('takes megabytes', async () => {
    const big = 'x'.repeat(3_000_000);
    const answers = await run([cat(big), withInput(raw('wc -c'), big), cat('end')]);
    expect(answers[0]!.out.length).toBe(big.length);
    expect(answers[1]!.out.trim()).toBe('3000000');
    expect(answers[2]!.out).toBe('end');
  });

  it('any texts, in any order', async () => {
    const part = fc.record({
      input: fc.string({ unit: 'binary', maxLength: 20 }),
      read: fc.integer({ min: 0, max: 25 }),
      code: fc.integer({ min: 0, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
        const inputs = parts.map(({ input }) => Buffer.from(input));
        const together = batch(parts.map(({ read, code }, i) => withInput(raw(`head -c ${read}; exit ${code}`), inputs[i]!)));
        const answers = together.split(await runHere(together.command));
        expect(answers.map(({ code }) => code)).toEqual(parts.map(({ code }) => code));
        expect(answers.map(({ out }) => out.toString('hex'))).toEqual(
          parts.map(({ read }, i) => inputs[i]!.subarray(0, read).toString('hex')),
        );
      }),
      { numRuns: 40 },
    );
  });
});

describe('until the first failure', () => {
  it.each<[string, readonly Command[], readonly number[]]>([
    ['nothing fails', [raw('true'), cat('b'), raw('true')], [0, 0, 0]],
    ['the first fails', [raw('exit 3'), cat('b'), raw('echo c')], [3, 125, 125]],
    ['the second fails', [cat('a'), withInput(raw('exit 4'), 'x'), cat('c')], [0, 4, 125]],
    ['one fails by its syntax', [raw('if'), raw('echo b')], [2, 125]],
  ])('%s', async (_, commands, codes) => {
    const answers = await run(commands, true);
    expect(answers.map(({ code }) => code)).toEqual(codes);
    expect(answers.filter(({ code }) => code === 125).every(({ out, err }) => out === '' && err === '')).toBe(true);
  });
});

describe('time', () => {
  it('has as much as all of them', () => {
    expect(batch([raw('a')]).command.timeout).toBe(120);
    expect(batch([withTimeout(raw('a'), 7200)]).command.timeout).toBe(7200);
    expect(batch([withTimeout(raw('a'), 10), raw('b'), withTimeout(raw('c'), 5)]).command.timeout).toBe(135);
    expect(batch(Array.from({ length: 100 }, () => raw('a'))).command.timeout).toBe(3600);
  });

  it('that is up is told of the command that it hit, with what that had said', async () => {
    const together = batch([raw('echo a'), raw('echo so far; echo and wrong >&2; sleep 60'), raw('echo c')]);
    const answers = together.split(await runHere({ ...together.command, timeout: 1 }));
    expect(answers[0]).toMatchObject({ code: 0, out: Buffer.from('a\n') });
    expect(answers[0]!.timedOut).toBeUndefined();
    expect(answers[1]).toMatchObject({ code: 124, timedOut: true });
    expect(answers[1]!.err.toString()).toBe('and wrong\n');
    expect(answers[1]!.out.toString()).toBe('so far\n');
    expect(answers[2]!.code).not.toBe(0);
    expect(answers[2]!.out.toString()).toBe('');
  });

  it('a shell that dies leaves what it had answered, and no success behind it', async () => {
    const together = batch([raw('echo a'), raw('kill -9 $$; sleep 1'), raw('echo c')]);
    const answers = together.split(await runHere(together.command));
    expect(answers[0]).toMatchObject({ code: 0, out: Buffer.from('a\n') });
    expect(answers.slice(1).every(({ code }) => code !== 0)).toBe(true);
  });
});

it('an answer that is cut within a mark comes to an end', () => {
  const { command, split } = batch([raw('true'), raw('true')]);
  const [, nonce] = /printf '\\n%s %s\\n' ([0-9a-f]{32})/.exec(command.script)!;
  const out = Buffer.from(`a\n${nonce!} 0\nb\n${nonce!} 1`);
  expect(split({ code: 0, out, err: out }).map(({ code, out: said }) => [code, said.toString()])).toEqual([
    [0, 'a'],
    [125, 'b'],
  ]);
});
