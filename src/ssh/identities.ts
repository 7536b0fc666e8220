import { open, readFile } from 'node:fs/promises';
import ssh2, { type AgentAuthMethod, type ParsedKey, type PublicKeyAuthMethod, type SignCallback, type SigningRequestOptions } from 'ssh2';
import type { Invalid } from '../base/problem.ts';
import { exposed } from '../private/private.ts';
import { sha256 } from './host-keys.ts';
import type { SshTarget } from './target.ts';

/** One way to log in, and how messages name it. */
export interface Offer {
  readonly name: string;
  readonly method: PublicKeyAuthMethod | AgentAuthMethod;
}

export interface Offers {
  readonly offers: readonly Offer[];
  /** Sentences about keys that could not be used. */
  readonly problems: readonly string[];
}

/** sshd closes a connection after six failures, and since OpenSSH 9.8 holds them against our address. */
const maxOffers = 5;

type Passphrase = SshTarget['passphrase'];
type KeyFile = { readonly key: ParsedKey } | { readonly problem: string } | 'absent';

/** Keys and agents, each read once for all hosts. */
export class Identities {
  readonly #files = new Map<string, Promise<KeyFile>>();
  readonly #agents = new Map<string, Promise<readonly ParsedKey[]>>();

  /**
   * What to offer, the right key first: keys of the agent that the target names, then its key files; an agent's other
   * keys only when the target names none.
   */
  async offers(target: Required<Pick<SshTarget, 'name' | 'user' | 'identities'>> & SshTarget, explicit: boolean): Promise<Offers> {
    const problems: string[] = [];
    const agent = await this.#agent(target.agent, problems);
    const offers: Offer[] = [];
    const used = new Set<ParsedKey>();
    const files: Offer[] = [];
    for (const path of target.identities) {
      const held = agent && (await find(agent.keys, path, explicit));
      if (held) {
        used.add(held);
        offers.push(agentOffer(target.user, agent.socket, held));
      } else files.push(...(await this.#file(target, path, explicit, problems, agent)));
    }
    if (!explicit && agent && target.identitiesOnly !== true) {
      offers.push(...agent.keys.filter((key) => !used.has(key)).map((key) => agentOffer(target.user, agent.socket, key)));
    }
    return { offers: [...offers, ...files].slice(0, maxOffers), problems };
  }

  async #agent(socket: string | null | undefined, problems: string[]): Promise<{ socket: string; keys: readonly ParsedKey[] } | undefined> {
    if (socket === undefined || socket === null || socket === '') return undefined;
    const keys = this.#agents.get(socket) ?? agentKeys(socket);
    this.#agents.set(socket, keys);
    try {
      return { socket, keys: await keys };
    } catch (error) {
      problems.push(`the agent at ${socket} does not answer (${message(error)})`);
      return undefined;
    }
  }

  async #file(
    target: SshTarget & { readonly user: string },
    path: string,
    explicit: boolean,
    problems: string[],
    agent: { socket: string; keys: readonly ParsedKey[] } | undefined,
  ): Promise<Offer[]> {
    const reading = this.#files.get(path) ?? readKey(path, target.passphrase);
    this.#files.set(path, reading);
    const file = await reading;
    if (file === 'absent') {
      if (explicit) problems.push(`the key file ${path} does not exist`);
      return [];
    }
    if ('problem' in file) {
      problems.push(file.problem);
      return [];
    }
    const { key } = file;
    // The file may be newer than its .pub, or have none: compare the keys themselves.
    const held = agent?.keys.find((other) => other.getPublicSSH().equals(key.getPublicSSH()));
    if (held && agent) return [agentOffer(target.user, agent.socket, held)];
    if (!key.isPrivateKey()) {
      problems.push(`${path} is a public key whose private key no agent has`);
      return [];
    }
    return [{ name: `${print(key)} (${path})`, method: { type: 'publickey', username: target.user, key } }];
  }
}

async function readKey(path: string, passphrase: Passphrase): Promise<KeyFile> {
  let bytes: Buffer;
  let why: Invalid | undefined;
  try {
    const file = await open(path);
    try {
      why = exposed(path, await file.stat());
      bytes = await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'absent';
    return { problem: `the key file ${path} cannot be read (${message(error)})` };
  }
  const key = parse(bytes);
  if (!(key instanceof Error) && !key.isPrivateKey()) return { key };
  if (why) return { problem: `${why.message}: ${why.problems[0]!.hint!}` };
  if (!(key instanceof Error)) return { key };
  if (!/encrypted|passphrase/i.test(key.message)) return { problem: `${path} is no private key that Cellwise can read (${key.message})` };
  const word = await passphrase?.(path);
  if (word === undefined)
    return { problem: `the key file ${path} is encrypted and no passphrase was given: add it to an agent, or give the passphrase` };
  const unlocked = parse(bytes, word.reveal());
  return unlocked instanceof Error ? { problem: `the passphrase does not open the key file ${path}` } : { key: unlocked };
}

function parse(bytes: Buffer, passphrase?: string): ParsedKey | Error {
  try {
    const parsed: unknown = ssh2.utils.parseKey(bytes, passphrase);
    const key: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
    return key instanceof Error ? key : ((key as ParsedKey | undefined) ?? new Error('it is empty'));
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** The agent's key that belongs to a key file, known by the file's public half. */
async function find(keys: readonly ParsedKey[], path: string, explicit: boolean): Promise<ParsedKey | undefined> {
  if (keys.length === 0) return undefined;
  for (const candidate of explicit ? [`${path}.pub`, path] : [`${path}.pub`]) {
    const bytes = await readFile(candidate).catch(() => undefined);
    const key = bytes && parse(bytes);
    if (key === undefined || key instanceof Error) continue;
    return keys.find((other) => other.getPublicSSH().equals(key.getPublicSSH()));
  }
  return undefined;
}

function agentKeys(socket: string): Promise<readonly ParsedKey[]> {
  return new Promise((resolve, reject) => {
    ssh2.createAgent(socket).getIdentities((error, keys) => {
      if (error) reject(error);
      else resolve((keys ?? []).flatMap((key) => parsed(key)));
    });
  });
}

/** Agents hold kinds of keys that ssh2 does not know (certificates, FIDO): they are passed over. */
function parsed(key: unknown): ParsedKey[] {
  return typeof key === 'object' && key !== null && 'getPublicSSH' in key && 'type' in key ? [key as ParsedKey] : [];
}

function agentOffer(username: string, socket: string, key: ParsedKey): Offer {
  return {
    name: `${print(key)} (agent${key.comment ? `: ${key.comment}` : ''})`,
    method: { type: 'agent', username, agent: new OneKeyAgent(socket, key) as ssh2.BaseAgent },
  };
}

/** An agent of which only one key is seen, so that each offer is one attempt. */
class OneKeyAgent extends ssh2.BaseAgent<ParsedKey> {
  readonly #agent: ssh2.BaseAgent;
  readonly #key: ParsedKey;

  constructor(socket: string, key: ParsedKey) {
    super();
    this.#agent = ssh2.createAgent(socket);
    this.#key = key;
  }

  override getIdentities(callback: (error?: Error | null, keys?: ParsedKey[]) => void): void {
    callback(null, [this.#key]);
  }

  override sign(key: ParsedKey, data: Buffer, options: SigningRequestOptions | SignCallback, callback?: SignCallback): void {
    if (typeof options === 'function') this.#agent.sign(key, data, options);
    else this.#agent.sign(key, data, options, callback);
  }
}

function print(key: ParsedKey): string {
  return sha256({ type: key.type, blob: key.getPublicSSH().toString('base64') });
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
