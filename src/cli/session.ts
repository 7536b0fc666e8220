import { randomBytes } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import type { Holder } from '../base/shell.ts';
import type { Open, RunOptions } from '../engine/work.ts';
import type { Host, Inventory, SecretRef, Ssh } from '../inventory/types.ts';
import { openSecrets, type SecretStore } from '../secrets/store.ts';
import { connect, Shared, type SshTarget, type Sudo } from '../ssh/connect.ts';
import { partOf, placesOf, planOf, readCloud, type Cloud, type Places } from './cloud.ts';
import { openAudience, type Audience } from './audience.ts';
import { say } from './output.ts';
import type { Options } from './options.ts';

/** What every command that works on hosts has in hand. */
export interface Session extends RunOptions {
  readonly cloud: Cloud;
  readonly places: Places;
  readonly secrets: SecretStore;
  readonly output: Audience;
  readonly holder: Holder;
}

/** Works in a session. Whatever happens, its rows on a terminal are closed: one that is open keeps the process alive. */
export async function inSession(options: Options, command: string, work: (session: Session) => Promise<number>): Promise<number> {
  const session = await openSession(options, command);
  try {
    return await work(session);
  } finally {
    await session.output.end();
  }
}

/** Reads the cloud, opens its secrets, and readies what reaches its hosts. Throws Invalid. */
async function openSession(options: Options, command: string): Promise<Session> {
  const cloud = readCloud(options.inventory);
  const places = placesOf(options.inventory);
  const secrets = await openSecrets(places.secrets);
  const plan = planOf(cloud, secrets);
  const output = openAudience(options, command);
  const made = secrets.unsaved();
  if (made.length > 0) {
    await secrets.save();
    say(
      options,
      `${made.length} secrets were missing: made, and kept encrypted in ${places.secrets.file}. Its key is ${places.secrets.identity}: keep a copy.`,
    );
  }
  const run = runName();
  const part = partOf(plan, options.only);
  return {
    cloud,
    places,
    secrets,
    output,
    plan,
    ...(part ? { only: part } : {}),
    command,
    run,
    open: opener(cloud.inventory, secrets),
    emit: output.emit,
    drain: drainOnInterrupt(output),
    holder: { run, who: `${userInfo().username}@${hostname()}`, what: `cellwise ${command}`, since: new Date().toISOString() },
  };
}

/** Sorts by start time: the older of two runs that meet at a lock wins. */
function runName(): string {
  return `${new Date().toISOString().replace(/[-:]/g, '').replace('.', '-')}-${randomBytes(3).toString('hex')}`;
}

/** Once: finish what runs, start nothing more. Twice: stop now; the next run goes on from whatever is there. */
function drainOnInterrupt(output: Audience): AbortSignal {
  const drain = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (drain.signal.aborted) process.exit(130);
      output.emit({ type: 'note', text: 'Interrupted: finishing what runs. Once more stops at once.' });
      drain.abort();
    });
  }
  return drain.signal;
}

function opener(inventory: Inventory, secrets: SecretStore): Open {
  const shared = new Shared();
  const byName = new Map(inventory.hosts.map((host) => [host.name, host]));
  return (name, early) => connect(target(byName.get(name)!, secrets), { shared, ...(early ? { early } : {}) });
}

function target(host: Host, secrets: SecretStore): SshTarget {
  const { ssh } = host;
  return {
    ...common(ssh, secrets),
    name: host.name,
    address: host.address,
    ...sudoOf(ssh, secrets),
    knownHosts: [ssh.knownHosts],
    hostKeys: ssh.hostKeys,
    ...(ssh.bastion
      ? {
          bastion: {
            ...common({ ...ssh.bastion, agent: ssh.agent, config: ssh.config }, secrets),
            name: ssh.bastion.address,
            address: ssh.bastion.address,
            knownHosts: [ssh.knownHosts],
            hostKeys: ssh.bastion.hostKeys,
          },
        }
      : {}),
  };
}

type Common = Pick<Ssh, 'user' | 'port' | 'identity' | 'passphrase' | 'agent' | 'config'>;

function common({ user, port, identity, passphrase, agent, config }: Common, secrets: SecretStore): Partial<SshTarget> {
  return {
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port }),
    ...(identity === undefined ? {} : { identities: [identity] }),
    ...(passphrase === undefined ? {} : { passphrase: () => Promise.resolve(secretOf(passphrase, secrets)) }),
    agent: agent ? (process.env['SSH_AUTH_SOCK'] ?? null) : null,
    ...(config ? { sshConfig: '~/.ssh/config' } : {}),
  };
}

function secretOf(ref: SecretRef, secrets: SecretStore): ReturnType<SecretStore['get']> {
  return secrets.get(ref.secret);
}

/** Left out of the inventory: whether sudo is needed depends on the user, which may come from ~/.ssh/config. */
function sudoOf({ sudo }: Ssh, secrets: SecretStore): { readonly sudo?: Sudo } {
  if (sudo === undefined) return {};
  if (typeof sudo === 'object') return { sudo: { password: secretOf(sudo.password, secrets) } };
  return { sudo: sudo ? 'passwordless' : 'no' };
}
