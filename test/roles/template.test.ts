import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reveal, Secret, shown, type Text } from '../../src/base/secret.ts';
import { compile, evaluate, TemplateError } from '../../src/roles/template.ts';

const canary = 'p@ss/"canary"';
const pw = Secret.of('db', canary);
const context = {
  name: 'ctl1',
  port: 5000,
  zero: 0,
  no: false,
  missing: undefined,
  list: ['a', 'b'],
  none: [],
  pw,
  pws: [pw, 'plain'],
  nested: { pw },
  deepest: { pw: [pw] },
  host: { name: 'h', address: '10.0.0.1', disks: ['/dev/sdb'], deep: { er: { text: 'down' } } },
  hosts: [
    { name: 'a', address: '10.0.0.1' },
    { name: 'b', address: '10.0.0.2' },
  ],
  options: { max: 1, min: 0 },
  least: 'min',
  part: 'er',
  unset: { er: null },
};

function failure(work: () => unknown): TemplateError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(TemplateError);
    return error as TemplateError;
  }
  throw new Error('nothing was thrown');
}

describe('templates', () => {
  it.each<[source: string, text: string]>([
    ['', ''],
    ['plain', 'plain'],
    ['{{name}}:{{port}}', 'ctl1:5000'],
    ['{{ host.deep.er.text }}', 'down'],
    ['{{host.name}}{{host.address}}', 'h10.0.0.1'],
    ['no escaping: {{t}}', 'no escaping: <a href="x">\'&\'</a>'],
    ['{{zero}} {{no}}', '0 false'],
    ['{{#if no}}a{{else}}b{{/if}}{{#if zero}}a{{else}}b{{/if}}{{#if none}}a{{else}}b{{/if}}{{#if missing}}a{{else}}b{{/if}}', 'bbbb'],
    ['{{#unless no}}yes{{/unless}}', 'yes'],
    ['{{#each list}}{{@index}}{{this}}{{#unless @last}},{{/unless}}{{/each}}', '0a,1b'],
    ['{{#each none}}x{{else}}none{{/each}}', 'none'],
    ['{{#each options}}{{@key}}={{this}}\n{{/each}}', 'max=1\nmin=0\n'],
    ['{{#each hosts}}{{#unless @first}},{{/unless}}{{address}}:{{@root.port}}{{/each}}', '10.0.0.1:5000,10.0.0.2:5000'],
    ['{{#each hosts}}{{name}} of {{../name}};{{/each}}', 'a of ctl1;b of ctl1;'],
    ['{{#each hosts as |each i|}}{{i}}{{each.name}}{{/each}}', '0a1b'],
    ['{{#with host}}{{name}}{{/with}}', 'h'],
    ['{{#with host}}{{#each disks}}{{this}} {{../name}} {{@root.name}}{{/each}}{{/with}}', '/dev/sdb h ctl1'],
    ['{{list.length}}', '2'],
    ['{{join list ","}}', 'a,b'],
    ['{{join (pluck hosts "address") " "}}', '10.0.0.1 10.0.0.2'],
    ['{{url "a b/ü"}}', 'a%20b%2F%C3%BC'],
    [`{{shell "it's $HOME"}} {{shell name}} {{shell ""}}`, String.raw`'it'\''s $HOME' ctl1 ''`],
    ['{{json list}}', '["a","b"]'],
    ['{{json name}}', '"ctl1"'],
    ['{{json options}}', '{"max":1,"min":0}'],
    ['{{json hosts}}', '[{"name":"a","address":"10.0.0.1"},{"name":"b","address":"10.0.0.2"}]'],
    ['{{#if (eq name "ctl1")}}one{{/if}}{{#if (eq port "5000")}}text{{/if}}', 'one'],
    ['{{!-- said to nobody --}}x', 'x'],
    [String.raw`\{{name}}`, '{{name}}'],
    ['a\r\n\ttab  {{name}}\n', 'a\r\n\ttab  ctl1\n'],
    ['{{nerd}}', '\uE0B0 \uE000 \uE0000\uE001'],
  ])('%j', (source, text) => {
    const rendered = compile(source)({ ...context, t: `<a href="x">'&'</a>`, nerd: '\uE0B0 \uE000 \uE0000\uE001' });
    expect(rendered).toBe(text);
  });

  it('renders any text as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (value, other) => {
        expect(compile('[{{value}}|{{#each list}}{{this}}{{/each}}]')({ value, list: [other] })).toBe(`[${value}|${other}]`);
      }),
    );
  });

  it('is pure: the same context gives the same text, and nothing stays of the one before', () => {
    const template = compile('{{a}}{{pw}}');
    const first = template({ a: 1, pw });
    template({ a: 2, pw: Secret.of('other', 'x') });
    expect(reveal(template({ a: 1, pw }))).toBe(reveal(first));
    expect(template({ a: 1, pw: 'plain' })).toBe('1plain');
  });
});

describe('secrets stay secrets', () => {
  it.each<[source: string, real: string, forPeople: string]>([
    ['{{pw}}', canary, '‹secret db›'],
    ['{{{pw}}}', canary, '‹secret db›'],
    ['a{{pw}}b{{pw}}', `a${canary}b${canary}`, 'a‹secret db›b‹secret db›'],
    ['{{url pw}}', encodeURIComponent(canary), '‹secret db›'],
    ['{{json pw}}', JSON.stringify(canary), '"‹secret db›"'],
    ['{{shell pw}}', `'${canary.replaceAll("'", String.raw`'\''`)}'`, '‹secret db›'],
    ['{{join pws ","}}', `${canary},plain`, '‹secret db›,plain'],
    ['{{#each pws}}{{this}};{{/each}}', `${canary};plain;`, '‹secret db›;plain;'],
    ['{{#each nested}}{{@key}}={{this}};{{/each}}', `pw=${canary};`, 'pw=‹secret db›;'],
    ['{{#each nested}}{{join (lookup @root.deepest @key) ","}}{{/each}}', canary, '‹secret db›'],
    ['{{#if pw}}x{{/if}}{{pw}}', `x${canary}`, 'x‹secret db›'],
    ['mysql://u:{{url pw}}@h', `mysql://u:${encodeURIComponent(canary)}@h`, 'mysql://u:‹secret db›@h'],
  ])('%j', (source, real, forPeople) => {
    const rendered = compile(source)(context);
    expect(rendered).toBeInstanceOf(Secret);
    expect([reveal(rendered), shown(rendered)]).toEqual([real, forPeople]);
    expect(JSON.stringify({ rendered })).not.toContain('canary');
  });

  it('a text that names no secret is no secret', () => {
    expect(compile('{{#if pw}}x{{/if}}')(context)).toBe('x');
  });

  it('a text cannot pretend to be a secret', () => {
    // What stands for a secret inside a rendering, as somebody might write it who read this program.
    const rendered = compile('{{pw}} {{forged}}')({ pw, forged: '\uE0000\uE001' });
    expect(reveal(rendered)).toBe(`${canary} \uE0000\uE001`);
  });
});

describe('a name that is not known', () => {
  // The bad name is `typo`; its place is given as line:column, counted by hand.
  it.each<[source: string, place: string]>([
    ['{{typo}}', '1:3'],
    ['a\nb {{typo}}', '2:5'],
    ['{{{typo}}}', '1:4'],
    ['{{host.typo}}', '1:8'],
    ['{{host.deep.typo.more}}', '1:13'],
    ['{{#if typo}}x{{/if}}', '1:7'],
    ['{{#if host.typo}}x{{/if}}', '1:12'],
    ['{{#unless typo}}x{{/unless}}', '1:11'],
    ['{{#each typo}}x{{/each}}', '1:9'],
    ['{{#with typo}}x{{/with}}', '1:9'],
    ['{{#typo}}x{{/typo}}', '1:4'],
    ['{{^typo}}x{{/typo}}', '1:4'],
    ['{{url typo}}', '1:7'],
    ['{{join typo ","}}', '1:8'],
    ['{{json host.typo}}', '1:13'],
    ['{{#if (eq typo 1)}}x{{/if}}', '1:11'],
    ['{{join (pluck hosts "typo") ","}}', '1:8'],
    ['{{lookup host "typo"}}', '1:1'],
    ['{{#each hosts}}{{typo}}{{/each}}', '1:18'],
    ['{{#each hosts}}\n  {{#if typo}}x{{/if}}\n{{/each}}', '2:9'],
    ['{{#each hosts}}{{../typo}}{{/each}}', '1:21'],
    ['{{#each hosts}}{{@root.typo}}{{/each}}', '1:24'],
    ['{{#each hosts as |each|}}{{each.typo}}{{/each}}', '1:33'],
    ['{{@typo}}', '1:4'],
    ['{{#if @typo}}x{{/if}}', '1:8'],
    // Members of what has none.
    ['{{name.typo}}', '1:8'],
    ['{{#if name.typo}}x{{/if}}', '1:12'],
    ['{{#if port.typo}}x{{/if}}', '1:12'],
    ['{{#if list.typo}}x{{/if}}', '1:12'],
    ['{{#if missing.typo}}x{{/if}}', '1:15'],
    ['{{join (pluck list "typo") ","}}', '1:8'],
    // The same letters elsewhere are not the place.
    ['{{name}} typo\n{{typo}}', '2:3'],
    ['typo {{name}} typo\n{{#if typo}}x{{/if}}', '2:7'],
    ['{{#if name}}typo{{/if}} {{#if typo}}x{{/if}}', '1:31'],
  ])('%j is refused at %s', (source, place) => {
    const error = failure(() => compile(source)({ ...context }));
    expect(error.message).toBe('nothing here is called "typo"');
    const [line, column] = place.split(':').map(Number);
    expect(error.line).toBe(line);
    // Handlebars tells where the path begins: its name may follow some characters later.
    expect(Math.abs(error.column! - column!)).toBeLessThanOrEqual('host.deep.'.length);
  });

  it.each(['constructor', '__proto__', 'toString', 'valueOf', 'hasOwnProperty', 'toJSON', 'isPrototypeOf'])(
    'what every object has is not known: %s',
    (name) => {
      for (const source of [
        `{{${name}}}`,
        `{{host.${name}}}`,
        `{{list.${name}}}`,
        `{{name.${name}}}`,
        `{{#if ${name}}}x{{/if}}`,
        `{{#if host.${name}}}x{{/if}}`,
        `{{#if list.${name}}}x{{/if}}`,
        `{{#with ${name}}}x{{/with}}`,
        `{{lookup host "${name}"}}`,
        `{{join (pluck hosts "${name}") ","}}`,
      ]) {
        expect(failure(() => compile(source)(context)).message, source).toContain(`"${name}"`);
      }
      expect(failure(() => evaluate(`{{host.${name}}}`, context)).message).toContain(name);
    },
  );

  it('is an error however deep, whatever the name', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z][a-z_]{0,6}$/),
        fc.constantFrom('{{#if X}}y{{/if}}', '{{X}}', '{{url X}}', '{{#each X}}y{{/each}}'),
        (name, form) => {
          fc.pre(
            !Object.hasOwn(context, name) &&
              ![
                'if',
                'each',
                'with',
                'unless',
                'lookup',
                'log',
                'url',
                'join',
                'pluck',
                'eq',
                'json',
                'else',
                'this',
                'true',
                'false',
                'null',
                'as',
              ].includes(name),
          );
          expect(() => compile(form.replace('X', name))(context)).toThrow(TemplateError);
          expect(() => compile(form.replace('X', `host.${name}x`))(context)).toThrow(TemplateError);
        },
      ),
    );
  });
});

describe('templates that cannot be meant', () => {
  it.each<[source: string, says: RegExp]>([
    ['{{host}}', /group of names/],
    ['{{hosts}}', /group of names/],
    ['{{this}}', /group of names/],
    ['{{join hosts ","}}', /group of names/],
    ['{{#each hosts}}{{this}}{{/each}}', /group of names/],
    ['{{url host}}', /group of names/],
    ['{{#each host}}{{this}}{{/each}}', /group of names/],
    ['{{#if name}}', /Parse error/],
    ['{{name', /Parse error/],
    ['{{/if}}', /Parse error|doesn't match|EOF/],
    ['{{#if name}}x{{/each}}', /if doesn't match each/],
    ['{{> other}}', /partial/],
    ['{{nosuch name}}', /nosuch/],
    ['{{#nosuch name}}x{{/nosuch}}', /nosuch/],
    ['{{#each}}x{{/each}}', /each/],
  ])('%j', (source, says) => {
    const error = failure(() => compile(`first\n${source}`)(context));
    expect(error.message).toMatch(says);
    expect(error.message).not.toContain('\n');
    expect(error.line).toBeGreaterThanOrEqual(1);
  });

  it('a param without a value is not printed as "undefined"', () => {
    for (const source of ['{{join missing ","}}', '{{url missing}}']) {
      let text: Text = '';
      try {
        text = compile(source)(context);
      } catch (error) {
        expect(error).toBeInstanceOf(TemplateError);
      }
      expect(reveal(text)).not.toContain('undefined');
    }
  });

  it('nothing is written to the screen', () => {
    expect(failure(() => compile('{{log pw}}')(context)).message).toContain('log');
  });
});

describe('texts in role.yaml', () => {
  it.each<[source: string, value: unknown]>([
    ['plain', 'plain'],
    ['{{list}}', context.list],
    ['{{ list }}', context.list],
    ['{{port}}', 5000],
    ['{{no}}', false],
    ['{{missing}}', undefined],
    ['{{host.deep}}', context.host.deep],
    ['{{host.disks}}', context.host.disks],
    ['{{pw}}', pw],
    ['{{port}}s', '5000s'],
    [' {{port}}', ' 5000'],
    ['http://{{host.address}}:{{port}}', 'http://10.0.0.1:5000'],
    ['{{lookup options least}}', 0],
    ['{{ lookup host.deep part }}', context.host.deep.er],
    ['{{lookup unset part}}', undefined],
    ['{{lookup options least}}s', '0s'],
    ['{not a template}', '{not a template}'],
  ])('%j', (source, value) => {
    expect(evaluate(source, context)).toBe(value);
  });

  it('a secret in a text makes it one', () => {
    expect(shown(evaluate('x{{pw}}', context) as Text)).toBe('x‹secret db›');
  });

  it.each([
    '{{typo}}',
    '{{host.typo}}',
    '{{name.length}}',
    '{{constructor}}',
    '{{host.__proto__}}',
    '{{missing.typo}}',
    '{{lookup options part}}',
    'x{{typo}}',
    '{{',
  ])('%j is refused', (source) => {
    expect(failure(() => evaluate(source, context)).message).not.toContain('\n');
  });
});
