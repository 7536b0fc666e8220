import { formatBlock, parseAddress, parseBlock } from '../base/ipv4.ts';

interface Format {
  readonly test: (value: string) => boolean;
  /** Ends the sentence "it must be …". */
  readonly expected: string;
  readonly hint?: (value: string) => string | undefined;
}

/** Values of JSON Schema's `format` that mean something here. */
export const formats: Readonly<Record<string, Format>> = {
  ipv4: { test: (value) => parseAddress(value) !== undefined, expected: 'an IPv4 address such as 10.77.0.11' },
  cidr: {
    test: (value) => networkOf(value) === value,
    expected: 'an IPv4 network such as 10.77.0.0/24',
    hint: (value) => networkOf(value) && `The network that holds it is ${networkOf(value)!}`,
  },
  regex: { test: isPattern, expected: 'a regular expression' },
  // What is a secret, and what may hold one, is for whoever resolves secrets.
  secret: { test: () => true, expected: 'a secret' },
  text: { test: () => true, expected: 'text' },
  // Whose file it may be is for whoever knows who wrote it.
  'local-file': { test: () => true, expected: 'a file' },
};

function networkOf(cidr: string): string | undefined {
  const block = parseBlock(cidr);
  return block && formatBlock(block);
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}
