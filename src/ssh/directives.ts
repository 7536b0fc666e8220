import type SSHConfig from 'ssh-config';
import type { Match, Section } from 'ssh-config';
import { matches } from './patterns.ts';

/** What an ssh_config says of one host. Words are in lower case. */
export interface Directives {
  readonly one: (word: string) => string | undefined;
  readonly all: (word: string) => string[] | undefined;
  /** Words that would change whom OpenSSH reaches, whom it trusts or how it logs in, and that are not heeded here. */
  readonly unheeded: readonly string[];
}

/** Who is asked for. `user` is left out when nobody has named one yet. */
export interface Asked {
  readonly host: string;
  readonly user: string | undefined;
  readonly localUser: string;
}

type Line = SSHConfig[number];

/** Words that are not heeded, with the values that change nothing. */
const foreign: Readonly<Record<string, readonly string[]>> = {
  addressfamily: ['any'],
  bindaddress: [],
  bindinterface: [],
  canonicalizehostname: ['no'],
  casignaturealgorithms: [],
  certificatefile: ['none'],
  gssapiauthentication: ['no'],
  hostbasedauthentication: ['no'],
  hostkeyalias: [],
  include: [],
  knownhostscommand: ['none'],
  nohostauthenticationforlocalhost: ['no'],
  pkcs11provider: ['none'],
  preferredauthentications: [],
  proxycommand: ['none'],
  pubkeyacceptedalgorithms: [],
  pubkeyacceptedkeytypes: [],
  pubkeyauthentication: ['yes'],
  requiredrsasize: [],
  stricthostkeychecking: ['yes', 'ask'],
  verifyhostkeydns: ['no'],
};

/**
 * OpenSSH's rules: the first value of a word counts, and of IdentityFile all do. (ssh-config could compute this, but makes
 * regular expressions of patterns, which can take for ever, and runs programs.)
 */
export function readDirectives(config: SSHConfig, asked: Asked): Directives {
  const found = new Map<string, string[]>();
  const unheeded = new Set<string>();
  const add = (line: Line) => {
    if (!('param' in line)) return;
    const word = line.param.toLowerCase();
    const values = wordsOf(line.value);
    if (foreign[word]?.includes(values[0]?.toLowerCase() ?? '') === false && !found.has(word)) unheeded.add(line.param);
    if (word === 'identityfile') found.set(word, [...(found.get(word) ?? []), ...values]);
    else if (!found.has(word)) found.set(word, values);
  };
  const one = (word: string) => found.get(word)?.[0];
  for (const line of config) {
    if (!('config' in line)) add(line);
    else if (applies(line, asked, one, unheeded)) line.config.forEach(add);
  }
  return { one, all: (word) => found.get(word), unheeded: [...unheeded] };
}

function applies(section: Section | Match, asked: Asked, one: Directives['one'], unheeded: Set<string>): boolean {
  if (!('criteria' in section)) return matches(wordsOf(section.value), asked.host);
  const subjects: Readonly<Record<string, string>> = {
    host: one('hostname')?.replaceAll('%h', asked.host) ?? asked.host,
    originalhost: asked.host,
    user: asked.user ?? one('user') ?? asked.localUser,
    localuser: asked.localUser,
  };
  return Object.entries(section.criteria).every(([criterion, value]) => {
    const name = criterion.replace(/^!/, '').toLowerCase();
    if (name === 'all') return true;
    const subject = subjects[name];
    if (subject === undefined) unheeded.add(`Match ${name}`);
    return (
      subject !== undefined &&
      matches(
        wordsOf(value).flatMap((list) => list.split(',')),
        subject,
      ) !== criterion.startsWith('!')
    );
  });
}

function wordsOf(value: Section['value']): string[] {
  return typeof value === 'string' ? [value] : value.map(({ val }) => val);
}
