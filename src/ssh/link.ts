import { randomBytes } from 'node:crypto';
import { Unreachable, type HostFacts } from '../base/shell.ts';
import type { Channel, Ending, Transport } from './channel.ts';
import { loginFailure, plain, type Attempt, type Heard } from './failures.ts';
import { Decoder, Garbled, type Answer } from './frames.ts';
import { loopText, startCommand, type LoopSettings } from './loop.ts';

export interface LinkOptions extends Attempt {
  readonly loop: Omit<LoopSettings, 'nonce'>;
  /** Whether the loop must run as root: always, but in tests. */
  readonly root: boolean;
}

export interface LinkHandlers {
  answer(answer: Answer): void;
  /** Called once, when the loop is gone after it had opened. */
  lost(error: Unreachable): void;
}

/** A loop that runs on a host, over one channel. */
export interface Link {
  readonly facts: HostFacts;
  /** Bytes received so far. */
  readonly received: () => number;
  send(frame: Buffer): void;
  /** Lets the loop end by itself, for at most 3 seconds. */
  end(lastFrame: Buffer): Promise<void>;
  destroy(): void;
}

/** Starts a loop over `transport`. `first` is sent along with the loop, so it costs no round trip of its own. Throws Unreachable. */
export async function openLink(transport: Transport, first: Buffer, options: LinkOptions, handlers: LinkHandlers): Promise<Link> {
  const opening = new Opening(first, options, handlers);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(opening.late());
    }, options.openTimeout * 1000);
  });
  try {
    const starting = transport.exec(opening.command);
    // When it is late already, nobody waits for it any more.
    starting.then(
      (channel) => {
        opening.begin(channel);
      },
      (error: unknown) => {
        opening.failed(error);
      },
    );
    return await Promise.race([opening.ready, late]);
  } catch (error) {
    opening.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

const keptErrors = 4096;

class Opening implements Link {
  readonly command: string;
  readonly ready: Promise<Link>;
  facts!: HostFacts;
  readonly #options: LinkOptions;
  readonly #handlers: LinkHandlers;
  readonly #decoder: Decoder;
  readonly #first: Buffer;
  /** Both are words that only sudo's password prompt and the shell behind sudo say. */
  readonly #prompt = `cellwise-${randomBytes(8).toString('hex')}`;
  readonly #mark = `cellwise-${randomBytes(8).toString('hex')}`;
  #resolve!: (link: Link) => void;
  #reject!: (error: Unreachable) => void;
  #channel: Channel | undefined;
  #state: 'starting' | 'sent' | 'open' | 'over' = 'starting';
  #heard: Heard = { out: '', err: '', prompts: 0 };
  #received = 0;

  constructor(first: Buffer, options: LinkOptions, handlers: LinkHandlers) {
    const nonce = randomBytes(16).toString('hex');
    const text = Buffer.from(loopText({ ...options.loop, nonce }));
    this.#first = Buffer.concat([text, first]);
    this.#options = options;
    this.#handlers = handlers;
    this.#decoder = new Decoder(nonce, options.loop);
    const sudo = typeof options.sudo === 'object' ? { prompt: this.#prompt, ready: this.#mark } : options.sudo;
    this.command = startCommand(text.length, sudo === 'no' ? undefined : sudo);
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.ready.catch(() => undefined);
  }

  begin(channel: Channel): void {
    this.#channel = channel;
    if (this.#state === 'over') {
      channel.destroy();
      return;
    }
    channel.output.on('data', (chunk: Buffer) => {
      this.#hear(chunk);
    });
    channel.errors.on('data', (chunk: Buffer) => {
      this.#hearError(chunk);
    });
    void channel.closed.then((ending) => {
      this.#closed(ending);
    });
    if (typeof this.#options.sudo !== 'object') this.#sendLoop();
  }

  failed(error: unknown): void {
    if (error instanceof Unreachable) this.#fail(error);
    else this.#fail(loginFailure(this.#options, this.#heard, { error: String(error instanceof Error ? error.message : error) }));
  }

  late(): Unreachable {
    return loginFailure(this.#options, this.#heard, 'late');
  }

  received = (): number => this.#received;

  send(frame: Buffer): void {
    if (this.#state === 'open') this.#channel?.input.write(frame);
  }

  async end(lastFrame: Buffer): Promise<void> {
    const channel = this.#channel;
    if (channel === undefined || this.#state !== 'open') return;
    this.#state = 'over';
    channel.input.end(lastFrame);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([channel.closed, new Promise((resolve) => (timer = setTimeout(resolve, 3000)))]);
    clearTimeout(timer);
    channel.destroy();
  }

  destroy(): void {
    this.#state = 'over';
    this.#channel?.destroy();
  }

  #sendLoop(): void {
    if (this.#state !== 'starting') return;
    this.#state = 'sent';
    this.#channel?.input.write(this.#first);
  }

  #hear(chunk: Buffer): void {
    // A stream that is over goes on being drained, else its connection would clog.
    if (this.#state === 'over') return;
    this.#received += chunk.length;
    if (this.#state !== 'open') {
      this.#heard = { ...this.#heard, out: tail(this.#heard.out + chunk.toString('latin1')) };
      if (this.#state === 'starting' && this.#heard.out.includes(this.#mark)) this.#sendLoop();
    }
    try {
      for (const answer of this.#decoder.push(chunk)) this.#answer(answer);
    } catch (error) {
      if (!(error instanceof Garbled)) throw error;
      this.#fail(
        new Unreachable(
          this.#options.host,
          'protocol',
          `${this.#options.host} does not speak as Cellwise's shell does: ${error.message}`,
          'Log in by hand and look what the login shell and its profile print.',
        ),
      );
    }
  }

  #answer(answer: Answer): void {
    if (this.#state === 'open') {
      this.#handlers.answer(answer);
      return;
    }
    if (this.#state !== 'sent' || answer.id !== 0) throw new Garbled('its first answer is not the greeting');
    if (answer.code === 0) this.#greeted(answer.out.toString('utf8'));
    else this.#cannot(answer.out.toString('utf8', 0, 300));
  }

  /** The loop runs, but cannot work: it tells its uid, and why. */
  #cannot(text: string): void {
    const [uid = '', ...why] = text.split(' ');
    if (this.#options.root && uid !== '0') this.#fail(loginFailure(this.#options, this.#heard, 'not-root'));
    else {
      const message = `The login to ${this.#options.host} works, but its shell can do nothing: ${plain(why.join(' '))}`;
      this.#fail(new Unreachable(this.#options.host, 'no-shell', message, 'Is /run full, or mounted read-only?'));
    }
  }

  #greeted(text: string): void {
    const greeting = parseGreeting(text);
    if (this.#options.root && greeting.uid !== 0) {
      this.#fail(loginFailure(this.#options, this.#heard, 'not-root'));
      return;
    }
    this.facts = greeting.facts;
    this.#state = 'open';
    this.#heard = { out: '', err: '', prompts: 0 };
    this.#resolve(this);
  }

  #hearError(chunk: Buffer): void {
    const { err, prompts } = this.#heard;
    const all = err + chunk.toString('utf8');
    this.#heard = { ...this.#heard, err: tail(all) };
    const { sudo } = this.#options;
    if (this.#state !== 'starting' || typeof sudo !== 'object' || !all.includes(this.#prompt)) return;
    // What was answered is cut out, so that the next prompt is seen as another one.
    this.#heard = { ...this.#heard, err: tail(all.replace(this.#prompt, '')), prompts: prompts + 1 };
    if (prompts > 0) this.#fail(loginFailure(this.#options, this.#heard, 'wrong-password'));
    else this.#channel?.input.write(`${sudo.password.reveal()}\n`);
  }

  #closed(ending: Ending): void {
    if (this.#state === 'open') this.#fail(lostShell(this.#options.host, ending, this.#heard.err));
    else this.#fail(loginFailure(this.#options, this.#heard, ending));
  }

  #fail(error: Unreachable): void {
    const state = this.#state;
    if (state === 'over') return;
    this.destroy();
    if (state === 'open') this.#handlers.lost(error);
    else this.#reject(error);
  }
}

function tail(text: string): string {
  return text.length > keptErrors ? text.slice(-keptErrors) : text;
}

function lostShell(host: string, ending: Ending, said: string): Unreachable {
  const last = plain(said.trim().split('\n').at(-1) ?? '');
  const why = ending.error === undefined ? (last === '' ? 'its shell ended' : `its shell ended: ${last}`) : plain(ending.error);
  return new Unreachable(host, 'lost', `The connection to ${host} was lost: ${why}`);
}

/** The greeting's lines: uid, hostname, boot id, clock, and os-release. Whatever is missing is empty. */
function parseGreeting(text: string): { uid: number; facts: HostFacts } {
  const [uid = '', hostname = '', bootId = '', clock = '', ...release] = text.split('\n');
  const os = parseRelease(release);
  const facts: HostFacts = {
    hostname: plain(hostname),
    os: { id: os['ID'] ?? '', like: words(os['ID_LIKE']), version: os['VERSION_ID'] ?? '', codename: os['VERSION_CODENAME'] ?? '' },
    bootId: plain(bootId),
    clock: Math.round(Number.parseFloat(clock) * 1000) || 0,
  };
  return { uid: uid === '' ? Number.NaN : Number(uid), facts };
}

function words(text: string | undefined): string[] {
  return text === undefined || text === '' ? [] : text.split(/\s+/);
}

function parseRelease(lines: readonly string[]): Partial<Record<string, string>> {
  const pairs = lines.flatMap((line) => {
    const match = /^([A-Z_]+)=(["']?)(.*)\2\s*$/.exec(line);
    return match === null ? [] : [[match[1]!, plain(match[3]!).replaceAll(/\\(.)/g, '$1')]];
  });
  return Object.fromEntries(pairs) as Partial<Record<string, string>>;
}
