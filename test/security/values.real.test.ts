// Passwords of one's own: what is set must be what the service reads, and nothing but the option that it was written to.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret, reveal } from '../../src/base/secret.ts';
import { compile } from '../../src/roles/template.ts';
import { startMachine, type Machine } from '../machines.ts';

const nasty = [
  'pa$word', '$$', '${x}', 'end$', '$', '"quoted"', "'quoted'", '"', "'", '""', `"a'`, '"$"', '  lead and trail  ', '\u00a0x\u00a0', ' ', 'a b',
  'a%b', '%(here)s', '%', '#x', 'a # b', ';x', '[x]', 'a=b', 'a:b', '=', ':', '\\', 'back\\slash', '\\n', '\\', '@/:?#[]', 'bäd€', '😀', '{{x}}', '<x>', '`id`', '$(id)', 'x\\', "it's", 'a,b', 'True', '0',
]; // prettier-ignore

/** What `secrets set` takes: no control characters. */
const printable = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 24 }).filter((text) => !/\p{Cc}|[\u2028\u2029]/u.test(text));
const special = fc.string({
  unit: fc.constantFrom('$', '"', "'", '\\', ' ', '%', '#', ';', '=', ':', '{', '}', '[', ']', 'a', 'x'),
  minLength: 1,
  maxLength: 8,
});
const passwords = [...nasty, ...fc.sample(special, { numRuns: 300, seed: 1 }), ...fc.sample(printable, { numRuns: 200, seed: 1 })];

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
  const { code, err } = await machine.exec(
    'apt-get -q update >&2 && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends python3-oslo.config >&2',
  );
  expect(code, err).toBe(0);
}, 300_000);
afterAll(async () => {
  await machine.stop();
});

/** Runs a Python program that makes JSON of the texts that it is given as `texts`. */
async function python(texts: readonly string[], program: string): Promise<unknown> {
  const given = Buffer.from(JSON.stringify(texts)).toString('base64');
  const script = `import base64, json\ntexts = json.loads(base64.b64decode('${given}'))\n${program}`;
  const { code, out, err } = await machine.exec(`LC_ALL=C.UTF-8 python3 - <<'END-OF-PROGRAM'\n${script}\nEND-OF-PROGRAM`);
  expect(code, err).toBe(0);
  return JSON.parse(out);
}

const rendered = (template: string): string[] => {
  const render = compile(template);
  return passwords.map((password) => reveal(render({ password: Secret.of('p', password) })));
};

describe('every password that can be set', () => {
  it('is what oslo.config reads, and nothing else is set by it', async () => {
    const read = await python(
      rendered('[s]\nusername = nova\npassword = {{oslo password}}\nregion_name = RegionOne\n'),
      `
import tempfile
from oslo_config import cfg
read = []
for text in texts:
    with tempfile.NamedTemporaryFile('w', suffix='.conf', newline='') as f:
        f.write(text); f.flush()
        conf = cfg.ConfigOpts()
        conf.register_opts([cfg.StrOpt(name) for name in ('username', 'password', 'region_name')], group='s')
        try:
            conf(['--config-file', f.name], project='t')
            read.append([conf.s.username, conf.s.password, conf.s.region_name])
        except Exception as error:
            read.append([text, repr(error)])
print(json.dumps(read))`,
    );
    expect(read).toEqual(passwords.map((password) => ['nova', password, 'RegionOne']));
  });

  it("is what Python reads in Horizon's settings", async () => {
    const read = await python(
      rendered('SECRET_KEY = {{json password}}\nDEBUG = False\n'),
      `
read = []
for text in texts:
    names = {}
    exec(compile(text, 'settings', 'exec'), {}, names)
    read.append([names['SECRET_KEY'], names['DEBUG']])
print(json.dumps(read))`,
    );
    expect(read).toEqual(passwords.map((password) => [password, false]));
  });
});

describe('a line break', () => {
  it.each(['a\nroot_helper = evil', 'a\r'])('is refused where an option is written, and not repeated: %j', (password) => {
    const render = compile('password = {{oslo password}}');
    expect(() => render({ password: Secret.of('p', password) })).toThrow(
      /^a value with a line break cannot stand in a configuration file$/,
    );
  });
});
