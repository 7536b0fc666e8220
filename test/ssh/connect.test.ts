import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerChannel } from 'ssh2';
import { afterAll, describe, expect, test } from 'vitest';
import { Secret } from '../../src/base/secret.ts';
import { Unreachable } from '../../src/base/shell.ts';
import { connect, Shared, type ConnectOptions, type SshTarget } from '../../src/ssh/connect.ts';
import { newBase } from './local.ts';
import { clientKey, hostKey, newKey, runHere, startRaw, startServer, type Behaviour, type TestServer } from './server.ts';

const closing: (() => void)[] = [];
afterAll(() => {
  for (const close of closing) close();
});

async function server(behaviour: Behaviour = {}): Promise<TestServer> {
  const started = await startServer(behaviour);
  closing.push(() => {
    started.close();
  });
  return started;
}

const quick: ConnectOptions = { connectTimeout: 2, handshakeTimeout: 2, openTimeout: 2, tries: 2, reconnect: 3, patience: 1 };

async function failure(target: SshTarget, options: ConnectOptions = {}): Promise<Unreachable> {
  const error: unknown = await connect(target, { ...quick, base: newBase(), ...options }).then(
    () => 'connected',
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(Unreachable);
  return error as Unreachable;
}

const isRoot = process.getuid?.() === 0;

describe.runIf(isRoot)('a connection', () => {
  test('runs commands, and counts its round trips', async () => {
    const { target, connections } = await server();
    const shell = await connect(target, { base: newBase() });
    expect((await shell.run({ script: 'id -u; echo err >&2; exit 3' })).code).toBe(3);
    expect(shell.roundTrips).toBe(2);
    expect(connections.total).toBe(1);
    await shell.close();
  });

  test('is had again when it is lost, and the lock with it', async () => {
    const { target, cut, connections } = await server();
    const base = newBase();
    const shell = await connect(target, { base, ...quick, reconnect: 20, patience: 20 });
    expect(await shell.lock({ run: 'a', who: 'a', what: 'w', since: 's' })).toBe('locked');
    const mending = shell.mend({ script: 'sleep 1; echo mended' });
    const running = shell.run({ script: 'sleep 1; echo ran' });
    await delay(300);
    cut();
    await delay(20);
    const later = shell.mend({ script: 'echo later' });
    expect(String(((await mending) as { out: Buffer }).out)).toBe('mended\n');
    expect(String((await running).out)).toBe('ran\n');
    expect(String(((await later) as { out: Buffer }).out)).toBe('later\n');
    expect(connections.total).toBe(2);
    await shell.close();
  });

  test('is given up when it does not come back', async () => {
    const started = await server();
    const shell = await connect(started.target, { ...quick, base: newBase(), reconnect: 1 });
    const running = shell.run({ script: 'sleep 30' });
    await delay(200);
    started.close();
    await expect(running).rejects.toMatchObject({ reason: 'lost', host: 'box' });
    await expect(shell.run({ script: ':' })).rejects.toMatchObject({ reason: 'lost' });
    await shell.close();
  });

  test('waits for a host that drops it before the handshake', async () => {
    const { target, connections } = await server({ drop: 2 });
    const shell = await connect(target, { base: newBase() });
    expect(connections.total).toBe(3);
    await shell.close();
  });

  test('goes through one shared connection to a bastion, eight handshakes at once', async () => {
    const bastion = await server({ forward: true });
    const host = await server();
    const shared = new Shared();
    const base = newBase();
    const targets = Array.from({ length: 20 }, (_, i) => ({ ...host.target, name: `h${i}`, bastion: { ...bastion.target, name: 'gate' } }));
    const shells = await Promise.all(targets.map((target) => connect(target, { shared, base })));
    expect(bastion.connections.total).toBe(1);
    expect(host.connections.total).toBe(20);
    expect((await Promise.all(shells.map((shell) => shell.run({ script: 'echo hi' })))).every((o) => o.code === 0)).toBe(true);
    await Promise.all(shells.map((shell) => shell.close()));
    await delay(1500);
    expect([bastion.connections.open, host.connections.open]).toEqual([0, 0]);
  });

  test('forwards TCP from the host', async () => {
    const { target } = await server({ forward: true });
    const echo = await startRaw((socket) => socket.pipe(socket));
    const shell = await connect(target, { base: newBase() });
    const stream = await shell.dial('127.0.0.1', echo.port);
    stream.write('hello');
    expect(String(await new Promise((resolve) => stream.once('data', resolve)))).toBe('hello');
    stream.destroy();
    await expect(shell.dial('127.0.0.1', 1)).resolves.toBeDefined();
    await shell.close();
    echo.close();
  });

  test('skips what a noisy profile says', async () => {
    const { target } = await server({
      exec(stream, command) {
        stream.write(`${'Welcome!\n'.repeat(50_000)}no newline at the end`);
        stream.stderr.write('x'.repeat(100_000));
        runHere(stream, command);
      },
    });
    const shell = await connect(target, { base: newBase() });
    expect(String((await shell.run({ script: 'echo clean' })).out)).toBe('clean\n');
    await shell.close();
  });

  test('takes a long banner, and refuses an enormous one clearly', async () => {
    const long = await server({ banner: 'b'.repeat(30_000) });
    await (await connect(long.target, { base: newBase() })).close();
    const enormous = await server({ banner: 'b'.repeat(1_000_000) });
    expect((await failure(enormous.target)).reason).toBe('protocol');
  });

  test('opens key files with their passphrase', async () => {
    const key = newKey('locked', 'open sesame');
    const { target } = await server({ accepts: [key] });
    const asked: string[] = [];
    const passphrase = (path: string) => {
      asked.push(path);
      return Promise.resolve(Secret.of('passphrase', 'open sesame'));
    };
    const shell = await connect({ ...target, identities: [key.path], passphrase }, { base: newBase() });
    expect(asked).toEqual([key.path]);
    await shell.close();
    const without = await failure({ ...target, identities: [key.path] });
    expect([without.reason, without.message]).toEqual(['auth', expect.stringMatching(/is encrypted and no passphrase was given/)]);
    const wrong = await failure({ ...target, identities: [key.path], passphrase: () => Promise.resolve(Secret.of('p', 'no')) });
    expect(wrong.message).toMatch(/does not open the key file/);
  });
});

/** A sudo that behaves as the real one does with -S and a password. */
const fakeSudo = (script: string) => (stream: ServerChannel, command: string) => {
  runHere(stream, `sudo() { ${script}\n}; ${command.replace(/^exec /, '')}`);
};
const askingSudo = `
  while [ "$1" != -- ]; do [ "$1" = -p ] && p=$2; shift; done; shift
  printf 'We trust you have received the usual lecture.\\n\\n' >&2
  for i in 1 2 3; do printf %s "$p" >&2; read -r w; [ "$w" = 'pa ss"word' ] && { exec "$@"; }; printf 'Sorry, try again.\\n' >&2; done
  exit 1`;

describe('sudo', () => {
  test.runIf(isRoot)('gets its password when it asks', async () => {
    const { target } = await server({ exec: fakeSudo(askingSudo) });
    const shell = await connect({ ...target, sudo: { password: Secret.of('sudo', 'pa ss"word') } }, { base: newBase() });
    expect((await shell.run({ script: ':' })).code).toBe(0);
    await shell.close();
  });

  test.runIf(isRoot)('that asks nothing gets nothing', async () => {
    const { target } = await server({ exec: fakeSudo('while [ "$1" != -- ]; do shift; done; shift; exec "$@"') });
    const shell = await connect({ ...target, sudo: { password: Secret.of('sudo', 'unused') } }, { base: newBase() });
    expect((await shell.run({ script: ':' })).code).toBe(0);
    await shell.close();
  });

  test('with a wrong password is asked once', async () => {
    const { target } = await server({ exec: fakeSudo(askingSudo) });
    const error = await failure({ ...target, sudo: { password: Secret.of('sudo', 'wrong') } });
    expect([error.reason, error.message]).toEqual(['sudo-password', expect.stringMatching(/does not accept the password/)]);
    expect(`${error.message}${error.hint ?? ''}`).not.toContain('wrong');
  });

  test.each([
    ['sudo: a password is required', 'sudo-password'],
    ['sudo: sorry, you must have a tty to run sudo', 'sudo-tty'],
    ['deploy is not in the sudoers file.', 'sudo-denied'],
    ['Sorry, user deploy is not allowed to execute /bin/sh as root on box.', 'sudo-denied'],
    ['sh: 1: exec: sudo: not found', 'sudo-denied'],
    ['bash: line 1: exec: sudo: not found', 'sudo-denied'],
    ['sudo: interactive authentication is required', 'sudo-password'],
  ])('says %j', async (words, reason) => {
    const { target } = await server({
      exec(stream) {
        stream.stderr.write(`${words}\n`);
        stream.exit(1);
        stream.end();
      },
    });
    expect((await failure({ ...target, sudo: 'passwordless' })).reason).toBe(reason);
  });
});

describe('keys', () => {
  test('that nobody knows are refused, with the line to add', async () => {
    const { target, port } = await server();
    const error = await failure({ ...target, hostKeys: [] });
    expect(error.reason).toBe('host-key-unknown');
    expect(error.message).toMatch(/SHA256:/);
    expect(error.hint).toContain(`echo '[127.0.0.1]:${port} ${hostKey.line.split(' ').slice(0, 2).join(' ')}' >>`);
  });

  test('that changed are refused', async () => {
    const { target } = await server();
    const error = await failure({ ...target, hostKeys: [clientKey.line] });
    expect(error.reason).toBe('host-key-changed');
  });

  test('that known_hosts has are taken', async () => {
    const { target, port } = await server();
    const path = `${newKey('kh').path}.known_hosts`;
    writeFileSync(path, `[127.0.0.1]:${port} ${hostKey.line}`);
    const tried = await failure({ ...target, hostKeys: [], knownHosts: [path], identities: [newKey('stranger').path] });
    expect(tried.reason).toBe('auth');
    writeFileSync(path, `@revoked [127.0.0.1]:${port} ${hostKey.line}`);
    expect((await failure({ ...target, hostKeys: [], knownHosts: [path] })).message).toMatch(/revoked/);
  });

  test('that are refused are named', async () => {
    const { target } = await server();
    const stranger = newKey('stranger-2');
    const error = await failure({ ...target, identities: [stranger.path, '/nonexistent/key'] });
    expect(error.message).toMatch(
      /refuses the keys SHA256:\S+ \(\S+stranger-2\) for the user root; the key file \/nonexistent\/key does not exist/,
    );
  });

  test('that cannot be read are named, and no connection is made for them', async () => {
    const { target, connections } = await server();
    const path = newKey('garbage').path;
    writeFileSync(path, 'not a key at all');
    chmodSync(path, 0o600);
    const error = await failure({ ...target, identities: [path] });
    expect([error.reason, error.message]).toEqual(['auth', expect.stringMatching(/is no private key/)]);
    expect(connections.total).toBe(0);
    expect((await failure({ ...target, agent: '/nonexistent/agent', identities: [] })).message).toMatch(
      /the agent at \/nonexistent\/agent does not answer/,
    );
  });

  test.runIf(existsSync('/usr/bin/ssh-agent'))('that an agent has are offered one by one, the named one first', async () => {
    const [first, second] = [newKey('agent-first'), newKey('agent-second')];
    const socket = `${first.path}.sock`;
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    try {
      while (!existsSync(socket)) await delay(20);
      execFileSync('ssh-add', [first.path, second.path], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' });
      const { target } = await server({ accepts: [] });
      const { name, address, port, hostKeys } = target;
      const all = await failure({ name, address, port, hostKeys, agent: socket });
      expect(all.message).toMatch(/refuses the keys SHA256:\S+ \(agent: agent-first\), SHA256:\S+ \(agent: agent-second\)/);
      const named = await failure({ ...target, agent: socket, identities: [second.path] });
      expect(named.message).toMatch(/refuses the keys SHA256:\S+ \(agent: agent-second\) for/);
      const config = `${first.path}.config`;
      writeFileSync(config, `IdentityAgent ${socket}\n`);
      const elsewhere = { name, address, port, hostKeys, defaultAgent: '/nonexistent/agent', sshConfig: config };
      expect((await failure(elsewhere)).message).toMatch(/\(agent: agent-first\), SHA256:\S+ \(agent: agent-second\)/);
      writeFileSync(config, `IdentityAgent ${socket}\nIdentitiesOnly yes\n`);
      expect((await failure(elsewhere)).message).not.toMatch(/agent-first|agent-second/);
      const { target: willing } = await server({ accepts: [second] });
      const taken = connect({ ...willing, agent: socket, identities: [second.path] }, { ...quick, base: newBase() });
      if (isRoot) await (await taken).close();
      else await expect(taken).rejects.toMatchObject({ reason: 'not-root' });
    } finally {
      agent.kill();
    }
  });

  test('that are pinned wrongly are a mistake in the inventory', async () => {
    const { target } = await server();
    expect((await failure({ ...target, hostKeys: ['ssh-ed25519 oops'] })).reason).toBe('config');
  });
});

describe.concurrent('what answers', () => {
  const base = { name: 'box', user: 'root', identities: [clientKey.path], hostKeys: [hostKey.line] };

  test('nothing: refused', async () => {
    const raw = await startRaw(() => undefined);
    raw.close();
    expect((await failure({ ...base, address: '127.0.0.1', port: raw.port })).reason).toBe('refused');
  });

  test('a name without an address: dns', async () => {
    expect((await failure({ ...base, address: 'no-such-host.invalid' })).reason).toBe('dns');
  });

  test.each([
    ['silence', () => undefined, 'timeout'],
    ['a closed door', (s) => s.end(), 'refused'],
    ['MaxStartups', (s) => s.end('Exceeded MaxStartups\r\n'), 'refused'],
    ['a web server', (s) => s.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'), 'refused'],
    [
      'a greeting without end',
      (s) => {
        drip(s, 'hello\r\n'.repeat(1000));
      },
      'protocol',
    ],
    [
      'a line without end',
      (s) => {
        drip(s, 'x'.repeat(100_000));
      },
      'protocol',
    ],
    ['garbage behind the version', (s) => s.write(Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.alloc(5000, 0xff)])), 'protocol'],
    ['SSH 1', (s) => s.write('SSH-1.5-old\r\n'), 'protocol'],
  ] satisfies [string, (s: import('node:net').Socket) => unknown, string][])('%s', async (_name, talk, reason) => {
    const raw = await startRaw((socket) => {
      talk(socket);
    });
    expect((await failure({ ...base, address: '127.0.0.1', port: raw.port })).reason).toBe(reason);
    raw.close();
  });

  test('a bastion that forwards nothing', async () => {
    const gate = await server({ forward: false });
    const error = await failure({ ...base, address: '10.0.0.1', bastion: { ...gate.target, name: 'gate' } });
    expect([error.host, error.reason, error.message]).toEqual(['box', 'no-route', expect.stringMatching(/bastion gate/)]);
  });

  test('a bastion that is not there', async () => {
    const error = await failure({ ...base, address: '10.0.0.1', bastion: { ...base, name: 'gate', address: '127.0.0.1', port: 1 } });
    expect([error.host, error.reason]).toEqual(['box', 'refused']);
  });
});

function drip(socket: import('node:net').Socket, text: string): void {
  const write = () => {
    if (!socket.destroyed) socket.write(text, () => setImmediate(write));
  };
  write();
}

describe.concurrent('a shell that', () => {
  const hostile: [string, (stream: ServerChannel, command: string) => void, string][] = [
    ['closes at once', (s) => (s.exit(1), s.end()), 'no-shell'],
    ['is nologin', (s) => (s.write('This account is currently not available.\n'), s.exit(1), s.end()), 'no-shell'],
    ['says nothing', () => undefined, 'timeout'],
    [
      'says too much',
      (s) => {
        flood(s, Buffer.alloc(65_536, 'n'));
      },
      'protocol',
    ],
    ['echoes', (s) => s.pipe(s), 'protocol'],
    [
      'floods its error output',
      (s) => {
        flood(s.stderr as never, Buffer.alloc(65_536, 'e'));
      },
      'timeout',
    ],
  ];
  test.each(hostile)('%s', async (_name, exec, reason) => {
    const { target } = await server({ exec });
    expect((await failure(target)).reason).toBe(reason);
  });

  // After a proper greeting: what the loop's nonce starts.
  const greeting = (nonce: string) => {
    const facts = '0\nbox\nboot\n1.0\nID=debian\n';
    return `${nonce} 0 0 ${facts.length} 0 ${facts.length} 0\n${facts}`;
  };
  const evil: [string, (stream: ServerChannel, nonce: string) => void, string][] = [
    ['answers what was not asked', (s, n) => s.write(`${n} 77 0 0 0 0 0\n`), 'protocol'],
    ['says more in between', (s) => s.write('more'.repeat(100)), 'protocol'],
    ['announces a terabyte', (s, n) => s.write(`${n} 1 0 999999999 0 999999999 0\n`), 'protocol'],
    ['exits with code 999', (s, n) => s.write(`${n} 1 999 0 0 0 0\n`), 'protocol'],
    ['answers for a command that goes on for ever', (s, n) => (s.write(`${n} 1 0 16777216 0 16777216 0\n`), undefined), 'lost'],
    ['never answers', () => undefined, 'lost'],
    ['drops the connection each time', (s) => (s.exit(1), s.end()), 'lost'],
  ];
  test.each(evil)(
    '%s',
    async (_name, act, reason) => {
      const { target } = await server({
        exec(stream) {
          let text = '';
          stream.on('data', (chunk: Buffer) => {
            const before = text;
            text += chunk.toString('latin1');
            const nonce = /n=([0-9a-f]{32})/.exec(text)?.[1];
            if (nonce === undefined) return;
            if (!/n=[0-9a-f]{32}/.test(before)) stream.write(greeting(nonce));
            if (/\njob \d/.test(text)) {
              act(stream, nonce);
              text = text.replaceAll('\njob', '\nJOB');
            }
          });
        },
      });
      const shell = await connect(target, { ...quick, base: newBase(), reconnect: 4 });
      await expect(shell.run({ script: 'echo hi', timeout: 1 })).rejects.toMatchObject({ reason });
      await shell.close();
    },
    30_000,
  );
});

test('a shell that sends a gigabyte: memory stays bounded, and other hosts go on', async () => {
  const bad = await server({
    exec: (stream) => {
      flood(stream, Buffer.alloc(1_048_576, 'g'));
    },
  });
  const good = await server();
  const before = process.memoryUsage().rss;
  const [error, shell] = await Promise.all([failure(bad.target), isRoot ? connect(good.target, { base: newBase() }) : undefined]);
  expect(error.reason).toBe('protocol');
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  if (shell) {
    expect((await shell.run({ script: 'echo fine' })).code).toBe(0);
    await shell.close();
  }
});

function flood(stream: NodeJS.WritableStream & { destroyed?: boolean }, chunk: Buffer): void {
  let over = false;
  stream.on('close', () => (over = true));
  const write = () => {
    if (over || stream.destroyed) return;
    if (stream.write(chunk)) setImmediate(write);
    else stream.once('drain', write);
  };
  write();
}
