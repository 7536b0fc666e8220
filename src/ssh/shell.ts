import { setTimeout as delay } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { sh, type Command, type Output } from '../base/command.ts';
import { reveal } from '../base/secret.ts';
import { Unreachable, type Holder, type HostFacts, type Shell } from '../base/shell.ts';
import type { Transport } from './channel.ts';
import { dialFailure, plain } from './failures.ts';
import { beatFrame, byeFrame, doneFrame, findFrame, jobFrame, takeFrame, type Answer } from './frames.ts';
import { openLink, type Link, type LinkOptions } from './link.ts';

export interface ShellOptions extends Omit<LinkOptions, 'loop'> {
  /** Where runs and the lock live on the host. */
  readonly base: string;
  readonly maxOut: number;
  readonly maxErr: number;
  /** Seconds without a sign of life from here after which the host ends the shell. */
  readonly silence: number;
  /** Seconds to get a lost connection back. */
  readonly reconnect: number;
  /** Seconds that an answer may take beyond the command's own time limit. */
  readonly patience: number;
}

/** Something asked of the host and not answered yet. */
interface Job {
  id: number;
  readonly kind: 'run' | 'mend' | 'lock';
  readonly seconds: number;
  readonly frame: (id: number) => Buffer;
  readonly settle: (answer: Answer) => void;
  /** A mending job's fate cannot be known any more. */
  readonly forget?: () => void;
  readonly reject: (error: Unreachable) => void;
  /** When it was first sent, in milliseconds; undefined: never yet. */
  started: number | undefined;
  sends: number;
  /** The boot in which a mending job was first sent. */
  bootId: string | undefined;
  timer: NodeJS.Timeout | undefined;
}

const defaultTimeout = 120;
const maxSends = 6;
const beatEvery = 15_000;
const listenEvery = 5000;
/** Bytes a second that even a bad connection carries. */
const slowest = 32_768;

/**
 * A Shell over any Transport: keeps what is asked of the host, sends it again or collects its outcome over a new
 * connection when one is lost, and bounds the time that everything takes.
 */
export class TransportShell implements Shell {
  readonly host: string;
  readonly #reach: () => Promise<Transport>;
  readonly #options: ShellOptions;
  readonly #run = randomBytes(8).toString('hex');
  readonly #jobs = new Map<number, Job>();
  #facts: HostFacts | undefined;
  #transport: Transport | undefined;
  #link: Link | undefined;
  #opening: Promise<void> | undefined;
  #nextId = 1;
  #trips = 0;
  #counted = false;
  #holder: Holder | undefined;
  /** The lock is being had again over a new connection: what changes the host waits. */
  #retaking = false;
  #beats: NodeJS.Timeout | undefined;
  #beatCount = 0;
  #dead: Unreachable | undefined;
  readonly #closing = new AbortController();

  constructor(reach: () => Promise<Transport>, options: ShellOptions) {
    this.host = options.host;
    this.#reach = reach;
    this.#options = options;
  }

  /** Of the latest connection: the boot id changes when the host was restarted meanwhile. */
  get facts(): HostFacts {
    if (this.#facts === undefined) throw new Error(`The shell of ${this.host} is not open yet`);
    return this.#facts;
  }

  /** Opening the shell is one, whatever is sent along; all that is asked within one turn of the event loop is one. */
  get roundTrips(): number {
    return this.#trips;
  }

  /** Opens the first connection; what was asked before goes along with it. Throws Unreachable, and fails what was asked. */
  async open(): Promise<void> {
    try {
      await this.#during(this.#connect());
    } catch (error) {
      this.#die(error);
      throw error;
    }
  }

  run(command: Command): Promise<Output> {
    const outcome = new Promise<Output>((resolve, reject) => {
      this.#ask('run', command, resolve, reject);
    });
    return heard(outcome);
  }

  mend(command: Command, said?: (line: string) => void): Promise<Output | 'unknown'> {
    let listening: NodeJS.Timeout | undefined;
    const outcome = new Promise<Output | 'unknown'>((resolve, reject) => {
      this.#startBeats();
      const job = this.#ask('mend', command, resolve, reject, () => {
        resolve('unknown');
      });
      if (said) listening = setInterval(() => void this.#listen(job, said), listenEvery);
    });
    return heard(
      outcome.finally(() => {
        clearInterval(listening);
      }),
    );
  }

  /** Tells the last line that a job has printed so far; one that cannot be had is not missed. */
  async #listen(job: Job, said: (line: string) => void): Promise<void> {
    if (this.#link === undefined || !this.#jobs.has(job.id)) return;
    const directory = `${this.#options.base}/${this.#run}/${job.id}`;
    const last = sh`f=$(ls -t ${directory}/out ${directory}/err | head -n 1) && tail -n 1 -- "$f" | tail -c 200`;
    const output = await this.run(last).catch(() => undefined);
    const line = output?.out.toString().trim() ?? '';
    if (line !== '' && this.#jobs.has(job.id)) said(line);
  }

  lock(holder: Holder): Promise<'locked' | Holder> {
    return heard(this.#lock(holder));
  }

  async #lock(holder: Holder): Promise<'locked' | Holder> {
    if (!/^[\x21-\x7e]{1,100}$/.test(holder.run)) throw new TypeError('The run of a lock holder is one word');
    const answer = await this.#take(holder);
    if (answer.code !== 0) return { ...readHolder(answer.out.toString('utf8')), ...(answer.code === 2 ? { ended: true } : {}) };
    this.#holder = holder;
    return 'locked';
  }

  async dial(address: string, port: number): Promise<Duplex> {
    if (this.#dead) throw this.#dead;
    await this.#opening;
    if (this.#transport === undefined) throw this.#lost('there is no connection');
    return this.#transport.dial(address, port).catch((error: unknown) => {
      throw dialFailure(this.host, error);
    });
  }

  async close(): Promise<void> {
    const link = this.#link;
    this.#die(new Unreachable(this.host, 'closed', `The shell of ${this.host} was closed`), false);
    await link?.end(byeFrame);
    this.#transport?.close();
    this.#transport = undefined;
  }

  #ask(
    kind: 'run' | 'mend',
    command: Command,
    resolve: (output: Output) => void,
    reject: (error: Unreachable) => void,
    forget?: () => void,
  ): Job {
    const seconds = Math.max(1, Math.ceil(command.timeout ?? defaultTimeout));
    const script = Buffer.from(command.script);
    const stdin = bytesOf(command.stdin);
    const job: Job = {
      ...fresh(kind, seconds, reject),
      frame: (id) => jobFrame(id, kind, seconds, script, stdin),
      settle: (answer) => {
        resolve(outputOf(answer, job, this.#options));
      },
      ...(forget && { forget }),
    };
    this.#add(job);
    return job;
  }

  #take(holder: Holder): Promise<Answer> {
    this.#startBeats();
    return new Promise((settle, reject) => {
      this.#add({ ...fresh('lock', 10, reject), frame: (id) => takeFrame(id, holder.run, JSON.stringify(holder)), settle });
    });
  }

  #add(job: Job): void {
    if (this.#dead) {
      job.reject(this.#dead);
      return;
    }
    job.id = this.#nextId++;
    this.#jobs.set(job.id, job);
    if (this.#link === undefined || (this.#retaking && job.kind !== 'lock')) return;
    this.#count();
    this.#link.send(this.#frameOf(job, this.#link.facts.bootId));
  }

  /** What to send for a job over the connection of this moment, the first time or again. */
  #frameOf(job: Job, bootId: string | undefined): Buffer {
    const again = job.started !== undefined;
    if (again && job.kind === 'run') this.#renumber(job);
    job.sends++;
    if (!again || job.kind === 'run') job.started = performance.now();
    job.bootId ??= bootId;
    const frame = again && job.kind === 'mend' ? findFrame(job.id) : job.frame(job.id);
    this.#watch(job, job.seconds + 10 + this.#options.patience + frame.length / slowest);
    return frame;
  }

  /** A command that is sent again gets a new directory: the old one may still be written to. */
  #renumber(job: Job): void {
    this.#jobs.delete(job.id);
    job.id = this.#nextId++;
    this.#jobs.set(job.id, job);
  }

  /** A host that answers nothing keeps nobody waiting for ever; one that sends much, slowly, is given more time. */
  #watch(job: Job, seconds: number, extensions = 20): void {
    clearTimeout(job.timer);
    const before = this.#link?.received() ?? 0;
    job.timer = setTimeout(() => {
      const received = (this.#link?.received() ?? 0) - before;
      if (extensions > 0 && received > this.#options.patience * slowest) this.#watch(job, this.#options.patience, extensions - 1);
      else this.#overdue(job, seconds);
    }, seconds * 1000);
  }

  #overdue(job: Job, seconds: number): void {
    this.#jobs.delete(job.id);
    job.reject(this.#lost(`no answer within ${Math.round(seconds)} seconds`));
    if (this.#link) this.#broken(this.#lost('it answers no more'));
  }

  /** While there is no connection, the time to get one bounds the waiting. */
  #stopWatches(): void {
    for (const job of this.#jobs.values()) clearTimeout(job.timer);
  }

  #answer(answer: Answer, link: Link): void {
    const job = this.#jobs.get(answer.id);
    if (job === undefined) {
      this.#broken(new Unreachable(this.host, 'protocol', `${this.host} answers what was not asked`));
      return;
    }
    this.#jobs.delete(job.id);
    clearTimeout(job.timer);
    const rebooted = job.bootId !== undefined && job.bootId !== link.facts.bootId;
    if (job.kind === 'mend' && (answer.code === 'gone' || rebooted)) job.forget?.();
    else if (answer.code === 'gone') this.#broken(new Unreachable(this.host, 'protocol', `${this.host} answers what cannot be`));
    else {
      if (job.kind === 'mend') link.send(doneFrame(job.id));
      job.settle(answer);
    }
  }

  async #connect(): Promise<void> {
    const transport = await this.#reach();
    if (this.#closing.signal.aborted) {
      transport.close();
      throw this.#dead ?? this.#lost('closed');
    }
    this.#transport = transport;
    this.#count();
    try {
      // Opened only when the link is known, so what answers early waits for it.
      const early: Answer[] = [];
      const opened: { link?: Link; error?: Unreachable } = {};
      const sent = new Set(this.#sendable());
      const first = Buffer.concat([...sent].map((job) => this.#frameOf(job, undefined)));
      const link = await openLink(
        transport,
        first,
        { ...this.#options, loop: this.#loop() },
        {
          answer: (answer) => {
            if (opened.link) this.#answer(answer, opened.link);
            else early.push(answer);
          },
          lost: (error) => {
            if (opened.link === undefined) opened.error = error;
            else if (this.#link === opened.link) this.#broken(error);
          },
        },
      );
      if (opened.error) throw opened.error;
      opened.link = link;
      this.#opened(link, sent);
      for (const answer of early) this.#answer(answer, link);
    } catch (error) {
      transport.close();
      if (this.#transport === transport) this.#transport = undefined;
      this.#stopWatches();
      throw error;
    }
  }

  #loop(): LinkOptions['loop'] {
    const { base, maxOut, maxErr, silence } = this.#options;
    return { run: this.#run, base, maxOut, maxErr, silence };
  }

  /** While a lock has to be had again, commands that were never sent wait for it. */
  #sendable(): Job[] {
    const jobs = [...this.#jobs.values()];
    return this.#holder === undefined ? jobs : jobs.filter((job) => job.started !== undefined || job.kind === 'lock');
  }

  #opened(link: Link, sent: ReadonlySet<Job>): void {
    this.#facts = link.facts;
    this.#link = link;
    for (const job of sent) job.bootId ??= link.facts.bootId;
    if (this.#beats) this.#beat();
    if (this.#holder === undefined) this.#sendWaiting();
    else if (!this.#retaking) void this.#retake(this.#holder);
  }

  #sendWaiting(): void {
    for (const job of [...this.#jobs.values()]) {
      if (job.started === undefined) this.#link?.send(this.#frameOf(job, this.#link.facts.bootId));
    }
  }

  /** After a lost connection the lock is still this run's, unless the host took us for dead and another run came. */
  async #retake(holder: Holder): Promise<void> {
    this.#retaking = true;
    try {
      const outcome = await this.#lock(holder);
      if (outcome !== 'locked') {
        const message = `The lock of ${this.host} went to ${outcome.who} (${outcome.what}) while the connection was lost`;
        this.#die(new Unreachable(this.host, 'lock-lost', message, 'Run again when the other run has ended.'));
      }
    } catch {
      // The shell has ended, and all who wait for it were told why.
    }
    this.#retaking = false;
    this.#sendWaiting();
  }

  /** The connection is of no more use: get another, as long as anything is asked or held. */
  #broken(error: Unreachable): void {
    const [link, transport] = [this.#link, this.#transport];
    this.#link = undefined;
    this.#transport = undefined;
    link?.destroy();
    transport?.close();
    this.#stopWatches();
    // While a connection is being made, its maker hears of the failure.
    if (this.#dead || link === undefined) return;
    if (error.reason === 'protocol') {
      this.#die(error);
      return;
    }
    void this.#during(this.#reopen(error));
  }

  /** Remembers that a connection is being made, for whoever needs one meanwhile. */
  async #during(opening: Promise<void>): Promise<void> {
    this.#opening = opening;
    try {
      await opening;
    } finally {
      if (this.#opening === opening) this.#opening = undefined;
    }
  }

  async #reopen(first: Unreachable): Promise<void> {
    const deadline = performance.now() + this.#options.reconnect * 1000;
    let last = first;
    for (let pause = 200; performance.now() < deadline; pause = Math.min(pause * 2, 10_000)) {
      try {
        await delay(Math.min(pause * (0.5 + Math.random()), Math.max(0, deadline - performance.now())), undefined, {
          signal: this.#closing.signal,
        });
        this.#dropExhausted();
        await this.#connect();
        return;
      } catch (error) {
        if (this.#dead) return;
        if (!(error instanceof Unreachable) || !passing.has(error.reason)) {
          this.#die(error);
          return;
        }
        last = error;
      }
    }
    const message = `${this.host} was lost, and could not be reached again within ${this.#options.reconnect} seconds: ${last.message}`;
    this.#die(new Unreachable(this.host, 'lost', message, last.hint));
  }

  /** A host that accepts a command and drops the connection, again and again, is not tried for ever. */
  #dropExhausted(): void {
    for (const job of [...this.#jobs.values()]) {
      if (job.sends < maxSends) continue;
      this.#jobs.delete(job.id);
      clearTimeout(job.timer);
      job.reject(this.#lost(`it dropped the connection ${job.sends} times while it worked on one command`));
    }
  }

  /** Nothing more will come of this shell. */
  #die(cause: unknown, destroy = true): void {
    if (this.#dead) return;
    this.#dead = cause instanceof Unreachable ? cause : this.#lost(String(cause instanceof Error ? cause.message : cause));
    this.#closing.abort();
    clearInterval(this.#beats);
    const link = this.#link;
    this.#link = undefined;
    if (destroy) {
      link?.destroy();
      this.#transport?.close();
      this.#transport = undefined;
    }
    for (const job of this.#jobs.values()) {
      clearTimeout(job.timer);
      job.reject(this.#dead);
    }
    this.#jobs.clear();
  }

  #startBeats(): void {
    if (this.#beats || this.#dead) return;
    this.#beats = setInterval(() => {
      this.#beat();
    }, beatEvery).unref();
    this.#beat();
  }

  #beat(): void {
    this.#link?.send(beatFrame(++this.#beatCount));
  }

  #count(): void {
    if (this.#counted) return;
    this.#counted = true;
    this.#trips++;
    setImmediate(() => {
      this.#counted = false;
    });
  }

  #lost(why: string): Unreachable {
    return new Unreachable(this.host, 'lost', `The connection to ${this.host} was lost: ${why}`);
  }
}

/** Reasons that may be gone a moment later, after a connection that stood. */
const passing = new Set(['refused', 'timeout', 'no-route', 'dns', 'lost', 'no-shell']);

/** Whoever asked is told; that they listen only later, or not at all, must not end the process. */
function heard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

function fresh(kind: Job['kind'], seconds: number, reject: Job['reject']): Omit<Job, 'frame' | 'settle' | 'forget'> {
  return { id: 0, kind, seconds, reject, started: undefined, sends: 0, bootId: undefined, timer: undefined };
}

function bytesOf(stdin: Command['stdin']): Uint8Array {
  if (stdin === undefined) return new Uint8Array();
  return stdin instanceof Uint8Array ? stdin : Buffer.from(reveal(stdin));
}

function outputOf(answer: Answer, job: Job, limits: { maxOut: number; maxErr: number }): Output {
  const code = answer.code as number;
  // `timeout` and a command of its own mind may both say 124 or 137: only the first takes all its time.
  const late = (code === 124 || code === 137) && performance.now() - (job.started ?? 0) >= job.seconds * 1000;
  const notes = [cut('output', answer.outTotal, limits.maxOut), cut('error output', answer.errTotal, limits.maxErr)].join('');
  const err = notes === '' ? answer.err : Buffer.concat([answer.err, Buffer.from(notes)]);
  return { code: late ? 124 : code, out: answer.out, err, ...(late && { timedOut: true }) };
}

function cut(what: string, total: number, kept: number): string {
  return total > kept ? `\ncellwise: ${what} cut at ${kept} of ${total} bytes\n` : '';
}

/** Who holds the lock, as they wrote it; a holder that did not get to write is described as far as that goes. */
function readHolder(text: string): Holder {
  try {
    const found: unknown = JSON.parse(text);
    const part = (key: keyof Holder) => {
      const value = typeof found === 'object' && found !== null ? (found as Record<string, unknown>)[key] : undefined;
      return typeof value === 'string' ? plain(value) : 'unknown';
    };
    return { run: part('run'), who: part('who'), what: part('what'), since: part('since') };
  } catch {
    return { run: 'unknown', who: 'unknown', what: 'unknown', since: 'unknown' };
  }
}
