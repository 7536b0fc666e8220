import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Decoder, Garbled, jobFrame, maxNoise, takeFrame, type Answer } from '../../src/ssh/frames.ts';

const nonce = 'a1'.repeat(16);
const limits = { maxOut: 1000, maxErr: 500 };

const answers = fc.array(
  fc.record({
    id: fc.nat(999_999),
    code: fc.oneof(fc.nat(255), fc.constant('gone' as const)),
    out: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    err: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    more: fc.nat(1_000_000),
  }),
  { minLength: 1, maxLength: 8 },
);

const encode = (list: readonly (Omit<Answer, 'outTotal' | 'errTotal'> & { more: number })[]) =>
  Buffer.concat(
    list.flatMap(({ id, code, out, err, more }) => [
      Buffer.from(`${nonce} ${id} ${code} ${out.length} ${err.length} ${out.length + more} ${err.length}\n`),
      out,
      err,
    ]),
  );

/** Cuts bytes at the given places, taken modulo their length. */
function chunked(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted((a, b) => a - b);
  return places.slice(1).map((place, i) => bytes.subarray(places[i], place));
}

describe('the decoder', () => {
  test('gives the same answers however the bytes are cut, and whatever noise comes first', () => {
    fc.assert(
      fc.property(answers, fc.array(fc.nat(), { maxLength: 30 }), fc.string({ maxLength: 200 }), (list, cuts, noise) => {
        const decoder = new Decoder(nonce, limits);
        const bytes = Buffer.concat([Buffer.from(noise), encode(list)]);
        const got = chunked(bytes, cuts).flatMap((chunk) => decoder.push(chunk));
        expect(got).toEqual(list.map(({ more, ...rest }) => ({ ...rest, outTotal: rest.out.length + more, errTotal: rest.err.length })));
      }),
    );
  });

  test('one byte at a time', () => {
    const decoder = new Decoder(nonce, limits);
    const bytes = Buffer.from(`Welcome! ${nonce.slice(0, 9)} ${nonce} 7 0 2 1 2 1\nhi!`);
    const got = [...bytes].flatMap((byte) => decoder.push(Buffer.from([byte])));
    expect(got.map((a) => [a.id, a.code, a.out.toString(), a.err.toString()])).toEqual([[7, 0, 'hi', '!']]);
  });

  test('never does anything but answer or refuse, and holds little, on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 20 }), fc.boolean(), (chunks, begun) => {
        const decoder = new Decoder(nonce, limits);
        try {
          if (begun) decoder.push(Buffer.from(`${nonce} `));
          for (const chunk of chunks) decoder.push(Buffer.from(chunk));
        } catch (error) {
          expect(error).toBeInstanceOf(Garbled);
        }
      }),
    );
  });

  test.each([
    ['an exit code out of range', `${nonce} 1 256 0 0 0 0\n`],
    ['a negative exit code', `${nonce} 1 -1 0 0 0 0\n`],
    ['more output than allowed', `${nonce} 1 0 1001 0 1001 0\n`],
    ['more error output than allowed', `${nonce} 1 0 0 501 0 501\n`],
    ['a huge length', `${nonce} 1 0 99999999999 0 0 0\n`],
    ['no number', `${nonce} 1 0 0x10 0 0 0\n`],
    ['too few fields', `${nonce} 1 0\n`],
    ['an endless header', `${nonce} ${'1'.repeat(300)}`],
    ['a second answer that is none', `${nonce} 1 0 0 0 0 0\nnoise ${nonce} 2 0 0 0 0 0\n`],
  ])('refuses %s', (_name, text) => {
    expect(() => new Decoder(nonce, limits).push(Buffer.from(text))).toThrow(Garbled);
  });

  test('gives up on endless noise', () => {
    const decoder = new Decoder(nonce, limits);
    expect(() => {
      for (let i = 0; i <= maxNoise / 65_536; i++) decoder.push(Buffer.alloc(65_536, 'x'));
    }).toThrow(Garbled);
  });
});

test('frames say their lengths in bytes and end in a dot', () => {
  const frame = jobFrame(3, 'mend', 120, Buffer.from('echo ä'), Buffer.from([0, 10, 255]));
  expect(frame.toString('latin1')).toBe(`job 3 mend 120 7 3\n${Buffer.from('echo ä').toString('latin1')}\0\n\xff.\n`);
  expect(takeFrame(4, 'run-1', '{"é":1}').toString()).toBe('take 4 run-1 9\n{"é":1}\n.\n');
});
