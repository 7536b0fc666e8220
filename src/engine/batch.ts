import { randomBytes } from 'node:crypto';
import { quote, type Command, type Output } from '../base/command.ts';
import { reveal } from '../base/secret.ts';

/**
 * Several commands as one, so that they cost one round trip. Each runs in a subshell of its own with its own standard
 * input; a syntax error or an exit in one does not touch the next. `split` takes the answers apart again.
 */
export interface Batch {
  readonly command: Command;
  readonly split: (output: Output) => Output[];
}

/** `untilFailure`: commands behind one that fails are not run; their answer has code 125 and says so. */
export function batch(commands: readonly Command[], untilFailure = false): Batch {
  // Random, so that no output can contain it by chance or on purpose.
  const nonce = randomBytes(16).toString('hex');
  const inputs = commands.map((command) => bytes(command.stdin));
  const script = commands.map((command, i) => section(command.script, inputs[i]!.length, untilFailure));
  const head = `r=0\nmark() { printf '\\n%s %s\\n' ${nonce} "$1"; printf '\\n%s %s\\n' ${nonce} "$1" >&2; }\n`;
  const timeout = commands.reduce((total, command) => total + (command.timeout ?? 120), 0);
  return {
    command: {
      script: head + script.join('\n'),
      stdin: Buffer.concat(inputs),
      timeout: commands.length === 1 ? timeout : Math.min(timeout, 3600),
      parts: commands,
    },
    split: (output) => {
      if (output.parts) return [...output.parts];
      const [outs, errs] = [sections(output.out, nonce), sections(output.err, nonce)];
      return commands.map((_, i) => ({
        code: outs.found[i]?.code ?? (output.code || 125),
        // What the command that was under way at the end had said is behind the last mark.
        out: outs.found[i]?.bytes ?? (i === outs.found.length ? outs.rest : Buffer.alloc(0)),
        err: errs.found[i]?.bytes ?? (i === errs.found.length ? errs.rest : Buffer.alloc(0)),
        ...(output.timedOut && !outs.found[i] ? { timedOut: true } : {}),
      }));
    },
  };
}

function section(script: string, length: number, untilFailure: boolean): string {
  const body = `( eval ${quote(script)} )`;
  // What a command leaves of its input is read all the same: the next one's begins behind it.
  const run = length > 0 ? `head -c ${length} | ( ${body}; r=$?; cat >/dev/null; exit $r )` : `${body} </dev/null`;
  return untilFailure ? `if [ $r -eq 0 ]; then ${run}; r=$?; mark $r; else mark 125; fi` : `${run}; mark $?`;
}

function bytes(stdin: Command['stdin']): Buffer {
  if (stdin === undefined) return Buffer.alloc(0);
  return stdin instanceof Uint8Array ? Buffer.from(stdin) : Buffer.from(reveal(stdin));
}

function sections(stream: Buffer, nonce: string): { found: { code: number; bytes: Buffer }[]; rest: Buffer } {
  const found = [];
  for (let from = 0; ;) {
    const at = stream.indexOf(`\n${nonce} `, from);
    if (at < 0) return { found, rest: stream.subarray(from) };
    const codeAt = at + nonce.length + 2;
    const end = stream.indexOf('\n', codeAt);
    // Cut within a mark: nobody knows how that command ended.
    if (end < 0) return { found, rest: stream.subarray(from, at) };
    found.push({ code: Number(stream.toString('latin1', codeAt, end)), bytes: stream.subarray(from, at) });
    from = end + 1;
  }
}
