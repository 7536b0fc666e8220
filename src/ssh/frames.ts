/** What a host's loop answers to a frame. */
export interface Answer {
  readonly id: number;
  /** Exit code, or `gone`: nothing is known of the job that was asked for. */
  readonly code: number | 'gone';
  readonly out: Buffer;
  readonly err: Buffer;
  /** Bytes there were, of which `out` and `err` may be only the beginning. */
  readonly outTotal: number;
  readonly errTotal: number;
}

export interface Limits {
  readonly maxOut: number;
  readonly maxErr: number;
}

/** Bytes that do not keep to the framing: a hostile host, or a shell that is none. The connection is of no more use. */
export class Garbled extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Garbled';
  }
}

/** What profiles, login messages and lectures may say before the loop's first word. */
export const maxNoise = 2 * 1024 * 1024;

const maxHeader = 256;
const end = Buffer.from('.\n');

/** A job: `script` is run with `stdin`, and ended after `seconds`. */
export function jobFrame(id: number, mode: 'run' | 'mend', seconds: number, script: Uint8Array, stdin: Uint8Array): Buffer {
  const header = `job ${id} ${mode} ${seconds} ${script.length} ${stdin.length}\n`;
  return Buffer.concat([Buffer.from(header), script, stdin, end]);
}

/** Asks for the host's lock. `run` orders holders by age and is one word; `holder` is kept beside the lock for others to read. */
export function takeFrame(id: number, run: string, holder: string): Buffer {
  const bytes = Buffer.from(`${holder}\n`);
  return Buffer.concat([Buffer.from(`take ${id} ${run} ${bytes.length}\n`), bytes, end]);
}

/** Waits for a job that was started over an earlier connection. */
export const findFrame = (id: number): Buffer => Buffer.from(`find ${id}\n`);

/** The outcome has arrived: the host may forget it. */
export const doneFrame = (id: number): Buffer => Buffer.from(`done ${id}\n`);

/** A sign of life. */
export const beatFrame = (count: number): Buffer => Buffer.from(`beat ${count}\n`);

export const byeFrame: Buffer = Buffer.from('bye\n');

interface Header {
  readonly id: number;
  readonly code: number | 'gone';
  readonly out: number;
  readonly err: number;
  readonly outTotal: number;
  readonly errTotal: number;
}

/**
 * Cuts what a loop says into answers, however the bytes are chunked. Noise before the first answer is skipped, up to a
 * bound; after it every byte belongs to an answer. Holds at most one answer's bytes.
 */
export class Decoder {
  readonly #start: Buffer;
  readonly #limits: Limits;
  #noise = 0;
  #begun = false;
  #header: Header | undefined;
  #held: Buffer[] = [];
  #size = 0;

  constructor(nonce: string, limits: Limits) {
    this.#start = Buffer.from(`${nonce} `);
    this.#limits = limits;
  }

  /** The answers that `chunk` completes. Throws Garbled. */
  push(chunk: Buffer): Answer[] {
    const answers: Answer[] = [];
    let rest: Buffer | undefined = chunk;
    while (rest !== undefined && rest.length > 0) {
      if (!this.#begun) rest = this.#skip(rest);
      else if (this.#header === undefined) rest = this.#readHeader(rest);
      else rest = this.#hold(rest, this.#header.out + this.#header.err);
      const answer = this.#complete();
      if (answer !== undefined) answers.push(answer);
    }
    return answers;
  }

  #skip(chunk: Buffer): Buffer | undefined {
    const bytes = Buffer.concat([...this.#held, chunk]);
    const at = bytes.indexOf(this.#start);
    if (at >= 0) {
      this.#begun = true;
      this.#held = [];
      return bytes.subarray(at);
    }
    this.#noise += chunk.length;
    if (this.#noise > maxNoise) throw new Garbled(`it said more than ${maxNoise / 1024 / 1024} MiB before the shell began`);
    this.#held = [Buffer.from(bytes.subarray(Math.max(0, bytes.length - this.#start.length + 1)))];
    return undefined;
  }

  #readHeader(chunk: Buffer): Buffer {
    const newline = chunk.indexOf(0x0a);
    const taken = newline < 0 ? chunk : chunk.subarray(0, newline);
    this.#held.push(taken);
    this.#size += taken.length;
    if (this.#size > maxHeader) throw new Garbled('its answer has an endless header');
    if (newline < 0) return chunk.subarray(chunk.length);
    this.#header = parseHeader(Buffer.concat(this.#held).toString('latin1'), this.#start.toString('latin1'), this.#limits);
    this.#held = [];
    this.#size = 0;
    return chunk.subarray(newline + 1);
  }

  #hold(chunk: Buffer, wanted: number): Buffer {
    const taken = chunk.subarray(0, wanted - this.#size);
    this.#held.push(taken);
    this.#size += taken.length;
    return chunk.subarray(taken.length);
  }

  #complete(): Answer | undefined {
    const header = this.#header;
    if (header === undefined || this.#size < header.out + header.err) return undefined;
    const bytes = Buffer.concat(this.#held);
    this.#header = undefined;
    this.#held = [];
    this.#size = 0;
    return { ...header, out: bytes.subarray(0, header.out), err: bytes.subarray(header.out) };
  }
}

function parseHeader(line: string, start: string, limits: Limits): Header {
  const match = /^(\d{1,9}) (\d{1,3}|gone) (\d{1,9}) (\d{1,9}) (\d{1,15}) (\d{1,15})$/.exec(line.slice(start.length));
  if (!line.startsWith(start) || match === null)
    throw new Garbled(`its answer has no proper header: ${JSON.stringify(line.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, '?'))}`);
  const [id, code, out, err, outTotal, errTotal] = match.slice(1).map(Number) as [number, number, number, number, number, number];
  if (code > 255) throw new Garbled(`its answer has the exit code ${code}`);
  if (out > limits.maxOut || err > limits.maxErr) throw new Garbled(`its answer is too long: ${out + err} bytes`);
  return { id, code: match[2] === 'gone' ? 'gone' : code, out, err, outTotal, errTotal };
}
