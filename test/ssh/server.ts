// SSH servers inside the test's process: obliging ones, which run commands in a shell of this machine, and hostile ones.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type ServerChannel } from 'ssh2';
import { afterAll } from 'vitest';
import type { SshTarget } from '../../src/ssh/connect.ts';

const dir = mkdtempSync(join(tmpdir(), 'cellwise-ssh-'));
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

export interface TestKey {
  readonly path: string;
  readonly line: string;
}

/** A new key in a file, and its public half as OpenSSH writes it. */
export function newKey(name: string, passphrase?: string): TestKey {
  const path = join(dir, name);
  // About one in 200 of ssh2's ed25519 keys is one that it cannot read again.
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519', {
      comment: name,
      ...(passphrase !== undefined && { passphrase, cipher: 'aes256-ctr', rounds: 2 }),
    });
    if (ssh2.utils.parseKey(pair.private, passphrase) instanceof Error) continue;
    writeFileSync(path, pair.private, { mode: 0o600 });
    return { path, line: pair.public };
  }
}

export const clientKey = newKey('client');
export const hostKey = newKey('host');

export interface TestServer {
  readonly port: number;
  readonly target: SshTarget;
  /** Connections so far, and at once at most. */
  readonly connections: { total: number; open: number; most: number };
  readonly cut: () => void;
  readonly close: () => void;
}

export interface Behaviour {
  /** What the server does with a command; runs it when left out. */
  readonly exec?: (stream: ServerChannel, command: string) => void;
  readonly accepts?: readonly TestKey[];
  readonly banner?: string;
  readonly forward?: boolean;
  /** How many connections are closed before they have said anything. */
  readonly drop?: number;
}

/** Starts a server on a port of its own. */
export async function startServer(behaviour: Behaviour = {}): Promise<TestServer> {
  const connections = { total: 0, open: 0, most: 0 };
  const sockets = new Set<Socket>();
  const accepted = (behaviour.accepts ?? [clientKey]).map((key) => key.line.split(' ')[1] ?? '');
  const server = new ssh2.Server(
    { hostKeys: [readFileSync(hostKey.path)], ...(behaviour.banner !== undefined && { banner: behaviour.banner }) },
    (client) => {
      client.on('error', () => undefined);
      client.on('authentication', (context) => {
        if (context.method === 'publickey' && accepted.includes(context.key.data.toString('base64'))) context.accept();
        else context.reject(['publickey']);
      });
      client.on('session', (accept) => {
        accept().on('exec', (acceptExec, _reject, info) => {
          const stream = acceptExec();
          stream.on('error', () => undefined);
          (behaviour.exec ?? runHere)(stream, info.command);
        });
      });
      client.on('tcpip', (accept, reject, info) => {
        if (!behaviour.forward) {
          reject();
          return;
        }
        forward(accept, info.destIP, info.destPort);
      });
    },
  );
  // A server of our own in front, to count connections and to drop them.
  const front = createServer((socket) => {
    connections.total++;
    connections.most = Math.max(connections.most, ++connections.open);
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      connections.open--;
      sockets.delete(socket);
    });
    if (connections.total <= (behaviour.drop ?? 0)) socket.destroy();
    else server.injectSocket(socket);
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const { port } = front.address() as AddressInfo;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    target: {
      name: 'box',
      address: '127.0.0.1',
      port,
      user: 'root',
      identities: [clientKey.path],
      hostKeys: [hostKey.line],
      knownHosts: [],
    },
    connections,
    cut,
    close() {
      cut();
      front.close();
    },
  };
}

function forward(accept: () => ServerChannel, host: string, port: number): void {
  const socket = connect(port, host);
  const stream = accept();
  stream.on('error', () => undefined);
  socket.on('error', () => {
    stream.close();
  });
  stream.pipe(socket).pipe(stream);
  stream.on('close', () => socket.destroy());
}

/** Runs a command as sshd does. */
export function runHere(stream: ServerChannel, command: string, env: NodeJS.ProcessEnv = {}): void {
  const child = spawn('/bin/sh', ['-c', command], { env: { ...process.env, ...env } });
  for (const s of [child.stdin, child.stdout, child.stderr]) s.on('error', () => undefined);
  stream.pipe(child.stdin);
  child.stdout.pipe(stream, { end: false });
  child.stderr.pipe(stream.stderr, { end: false });
  child.on('exit', (code) => {
    setTimeout(() => {
      stream.exit(code ?? 255);
      stream.end();
    }, 20);
  });
  stream.on('close', () => {
    child.stdin.destroy();
  });
}

/** A TCP server that is no sshd. */
export async function startRaw(talk: (socket: Socket) => void): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    talk(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
