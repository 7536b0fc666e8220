// The floor: what no deployer can do without. One ssh2 connection a host, one hand-written script in one exec, all hosts
// at once, the answers compared with what they should be. No inventory, no plan, no lock. `node floor.ts FILE`
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { keepCompiled } from '../src/private/cache.ts';

export interface FloorTask {
  readonly identity: string;
  readonly script: string;
  readonly hosts: readonly { readonly name: string; readonly address: string; readonly hostKey: string; readonly answer: string }[];
}

keepCompiled();
const { default: ssh2 } = await import('ssh2');
const { identity, script, hosts } = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as FloorTask;
const privateKey = readFileSync(identity);
const answers = await Promise.all(hosts.map((host) => ask(host)));
const wrong = hosts.filter(({ answer }, i) => answers[i] !== answer).map(({ name }) => name);
console.log(wrong.length === 0 ? `all as it should be on ${hosts.length} hosts` : `differs on ${wrong.join(', ')}`);
process.exitCode = wrong.length === 0 ? 0 : 1;

function ask({ address, hostKey }: FloorTask['hosts'][number]): Promise<string> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    client.on('error', reject).on('ready', () => {
      client.exec(script, (error, stream) => {
        if (error) {
          reject(error);
          return;
        }
        const chunks: Buffer[] = [];
        stream
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .on('close', () => {
            client.end();
            resolve(Buffer.concat(chunks).toString());
          });
        stream.stderr.resume();
      });
    });
    client.connect({
      sock: connect({ host: address, port: 22, noDelay: true }),
      username: 'root',
      privateKey,
      authHandler: ['publickey'],
      hostVerifier: (key: Buffer) => key.toString('base64') === hostKey.split(' ')[1],
      // The same, and for the same reason, as in src/ssh/login.ts: the fastest in Node.
      algorithms: {
        serverHostKey: ['ssh-ed25519'],
        cipher: { prepend: ['aes128-gcm@openssh.com'], append: [], remove: [] },
      },
    });
  });
}
