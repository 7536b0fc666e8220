import { describe, expect, it } from 'vitest';
import { checkSchema, faultsOf, prepareSchema } from '../../src/document/check.ts';
import { parseDocument } from '../../src/document/document.ts';

const checker = prepareSchema({
  type: 'object',
  additionalProperties: false,
  required: ['name'],
  properties: {
    name: { description: 'What it is called.', type: 'string', pattern: '^[a-z]+$', patternErrorMessage: 'lower-case letters' },
    release: { type: 'string', enum: ['2025.1', '2026.1'] },
    port: { type: 'integer', minimum: 1, maximum: 65535 },
    address: { type: 'string', format: 'ipv4' },
    cidr: { type: 'string', format: 'cidr' },
    on: { type: 'boolean' },
    password: { type: 'string', minLength: 8 },
    token: { $ref: '#/$defs/secret' },
    sudo: {
      anyOf: [
        { type: 'boolean' },
        { type: 'object', additionalProperties: false, required: ['user'], properties: { user: { type: 'string' } } },
      ],
    },
    kind: {
      anyOf: [{ enum: ['a', 'bee'] }, { type: 'array', minItems: 1, uniqueItems: true, items: { type: 'string', enum: ['a', 'bee'] } }],
    },
    keys: { anyOf: [{ $ref: '#/$defs/key' }, { type: 'array', items: { $ref: '#/$defs/key' } }] },
    file: {
      type: 'object',
      properties: { text: { type: 'string' }, source: { type: 'string' } },
      anyOf: [{ required: ['text'] }, { required: ['source'] }],
    },
    shape: {
      oneOf: [
        { type: 'object', required: ['x'], properties: { x: { type: 'integer' } } },
        { type: 'object', required: ['y'], properties: { y: { type: 'integer' } } },
      ],
    },
    map: { type: 'object', propertyNames: { $ref: '#/$defs/key' }, additionalProperties: { type: 'integer' } },
  },
  $defs: {
    key: { type: 'string', pattern: '^k', patternErrorMessage: 'a key that begins with k' },
    secret: { type: 'object', additionalProperties: false, required: ['secret'], properties: { secret: { type: 'string' } } },
  },
});

function check(text: string) {
  return checkSchema(checker, parseDocument('f.yaml', text));
}

describe('a schema and a value', () => {
  it.each<[text: string, code: string, place: string, message: string, hint?: string]>([
    ['port: 1', 'missing-key', '1:1', 'The file needs the key "name"', 'name: What it is called.'],
    ['name: a\nnam: b', 'unknown-key', '2:1', 'There is no key "nam" at the top', 'Did you mean "name"?'],
    ['name: A1', 'bad-value', '1:7', 'name is "A1"; it must be lower-case letters'],
    ['name: [a]', 'wrong-type', '1:7', 'name must be text, not a list'],
    ['name:', 'wrong-type', '1:1', 'name must be text, not nothing', 'Nothing follows the key: write a value, or remove the key'],
    ['name: a\nrelease: 2025.1', 'wrong-type', '2:10', 'release must be text, not 2025.1', 'Write it in quotes'],
    ['name: a\nrelease: "2025.2"', 'bad-value', '2:10', 'release is "2025.2"; it must be 2025.1 or 2026.1', 'Did you mean "2025.1"?'],
    ['name: a\nport: "22"', 'wrong-type', '2:7', 'port must be a whole number, not text', 'Remove the quotes'],
    ['name: a\nport: 1.5', 'wrong-type', '2:7', 'port must be a whole number, not 1.5'],
    ['name: a\nport: 0', 'bad-value', '2:7', 'port is 0; it must be at least 1'],
    ['name: a\nport: 70000', 'bad-value', '2:7', 'port is 70000; it must be at most 65535'],
    ['name: a\naddress: 10.0.0.256', 'bad-value', '2:10', 'address is "10.0.0.256"; it must be an IPv4 address such as 10.77.0.11'],
    [
      'name: a\ncidr: 10.0.0.9/24',
      'bad-value',
      '2:7',
      'cidr is "10.0.0.9/24"; it must be an IPv4 network such as 10.77.0.0/24',
      'The network that holds it is 10.0.0.0/24',
    ],
    ['name: a\non: yes', 'wrong-type', '2:5', 'on must be true or false, not text', 'Write true'],
    ['name: a\npassword: abc', 'bad-value', '2:11', 'password is not allowed; it must be at least 8 characters long'],
    ['name: a\npassword: 123', 'wrong-type', '2:11', 'password must be text, not a whole number', 'Write it in quotes'],
    [
      'name: a\ntoken: abc',
      'secret-in-clear',
      '2:1',
      'token is a secret in clear text',
      'Write {secret: NAME} and store the value by `cellwise secrets`',
    ],
    ['name: a\nsudo: {usr: x, user: y}', 'unknown-key', '2:8', 'sudo has no key "usr"', 'Did you mean "user"?'],
    ['name: a\nsudo: {}', 'missing-key', '2:1', 'sudo needs the key "user"'],
    ['name: a\nsudo: {user: 1}', 'wrong-type', '2:14', 'sudo.user must be text, not 1', 'Write it in quotes'],
    ['name: a\nsudo: sure', 'wrong-type', '2:7', 'sudo must be true or false or {user: …}, not text'],
    ['name: a\nkind: be', 'bad-value', '2:7', 'kind is "be"; it must be a or bee', 'Did you mean "bee"?'],
    ['name: a\nkind: [a, c]', 'bad-value', '2:11', 'kind[1] is "c"; it must be a or bee', 'Did you mean "a"?'],
    ['name: a\nkind: [a, bee, a]', 'bad-value', '2:16', 'kind has the same entry twice'],
    ['name: a\nkind: []', 'bad-value', '2:7', 'kind must have at least 1 entry'],
    ['name: a\nkind: {}', 'wrong-type', '2:7', 'kind must be a or bee or a list, not a mapping'],
    ['name: a\nkeys: x', 'bad-value', '2:7', 'keys is "x"; it must be a key that begins with k'],
    ['name: a\nkeys: [k, x]', 'bad-value', '2:11', 'keys[1] is "x"; it must be a key that begins with k'],
    ['name: a\nmap: {k/~: x}', 'wrong-type', '2:12', 'map.k/~ must be a whole number, not text'],
    ['name: a\nmap: {x: 1}', 'bad-name', '2:7', '"x" cannot be a key of map: it must be a key that begins with k'],
    ['name: a\nfile: {}', 'missing-key', '2:1', 'file needs one of: text or source'],
    ['name: a\nshape: {}', 'bad-value', '2:8', 'shape must be {x: …} or {y: …}'],
    ['name: a\nshape: {x: 1, y: 1}', 'bad-value', '2:8', 'shape must be {x: …} or {y: …}'],
    ['- a', 'wrong-type', '1:1', 'The file must be a mapping, not a list'],
    ['text', 'wrong-type', '1:1', 'The file must be a mapping, not text'],
  ])('%j: %s', (text, code, place, message, hint) => {
    const problems = check(text).map((problem) => ({
      code: problem.code,
      place: `${problem.place!.line}:${problem.place!.column}`,
      message: problem.message,
      hint: problem.hint,
    }));
    expect(problems).toEqual([{ code, place, message, hint }]);
  });

  it('tells all problems at once', () => {
    expect(check('nam: a\nport: x\naddress: y\nsudo: [1]\n').map(({ code }) => code)).toEqual([
      'missing-key',
      'unknown-key',
      'wrong-type',
      'bad-value',
      'wrong-type',
    ]);
  });

  it('has nothing against what is right', () => {
    expect(check('{name: a, kind: [a], sudo: true, keys: [k], map: {k: 1}, token: {secret: t}, cidr: 10.0.0.0/24}')).toEqual([]);
  });

  it('checks a part of a document, or a value in its stead', () => {
    const document = parseDocument('f.yaml', 'roles:\n  sshd: {name: "{{host}}", port: "{{port}}"}\n');
    expect(checkSchema(checker, document, ['roles', 'sshd']).map(({ message }) => message)).toEqual([
      'roles.sshd.name is "{{host}}"; it must be lower-case letters',
      'roles.sshd.port must be a whole number, not text',
    ]);
    expect(faultsOf(checker, document, ['roles', 'sshd'], { name: 'a', port: 0 })).toMatchObject([
      { code: 'bad-value', path: ['roles', 'sshd', 'port'] },
    ]);
  });
});
