import type { ProblemCode } from '../base/problem-codes.ts';

/** Something wrong between two offsets of a text. */
export interface Complaint {
  readonly code: ProblemCode;
  readonly start: number;
  readonly end: number;
  readonly message: string;
  readonly hint?: string;
}

interface Decoded {
  readonly text: string;
  readonly complaint?: Complaint;
}

/** Bytes as text without its byte order mark, and what keeps it from being YAML, if anything does. */
export function decode(content: string | Uint8Array): Decoded {
  const text = typeof content === 'string' ? content : new TextDecoder().decode(content);
  const plain = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const complaint = (typeof content === 'string' ? undefined : badEncoding(content, plain)) ?? controlCharacter(plain);
  return complaint ? { text: plain, complaint } : { text: plain };
}

function badEncoding(bytes: Uint8Array, text: string): Complaint | undefined {
  const mark = (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0);
  if (mark === 0xfffe || mark === 0xfeff) {
    return { code: 'yaml-encoding', start: 0, end: 1, message: 'The file is UTF-16 text, not UTF-8', hint: 'Save it as UTF-8' };
  }
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return undefined;
  } catch {
    // The lenient decoder puts U+FFFD where the strict one fails; a genuine U+FFFD before it is pointed at instead.
    const start = Math.max(0, text.indexOf('\uFFFD'));
    return { code: 'yaml-encoding', start, end: start + 1, message: 'The file is not valid UTF-8 text', hint: 'Save it as UTF-8' };
  }
}

function controlCharacter(text: string): Complaint | undefined {
  // eslint-disable-next-line no-control-regex -- they are what is searched for
  const start = text.search(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/);
  if (start === -1) return undefined;
  const code = text.charCodeAt(start).toString(16).padStart(2, '0');
  return {
    code: 'yaml-binary',
    start,
    end: start + 1,
    message: `The file holds a control character (0x${code}): it is binary, or damaged`,
    hint: 'Is it the right file?',
  };
}
