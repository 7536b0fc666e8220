// What a case of a step type is: data, so that it reads as a table.
import type { Text } from '../../src/base/secret.ts';
import type { ApiRequest, Found } from '../../src/resources/define.ts';
import type { AnyParams } from '../../src/resources/define.ts';

export interface Case {
  readonly type: string;
  /** What is special about it. */
  readonly is: string;
  readonly params: AnyParams;
  /** What the host answers to the probe: exit code 0 and nothing on standard error when left out. */
  readonly answer: string | { readonly code?: number; readonly out?: string; readonly err?: string };
  readonly found: Found;
  /** The keys that differ; null: nothing to do. Left out where the state is unknown. */
  readonly differs?: readonly string[] | null;
  /** Texts that the mending script holds. */
  readonly runs?: readonly string[];
  /** Texts that it does not hold. */
  readonly leaves?: readonly string[];
  /** A text in the reason why it must not be mended. */
  readonly refuses?: string;
  /** What goes to its standard input, whole. */
  readonly input?: Text;
}

/** A request that must come, and its answer. */
export type Exchange = readonly [
  /** Of Keystone, unless it says so. */
  asked: Partial<ApiRequest> & Pick<ApiRequest, 'method' | 'path'>,
  status: number,
  body?: unknown,
];

export interface ApiCase {
  readonly type: string;
  readonly is: string;
  readonly params: AnyParams;
  readonly look: readonly Exchange[];
  readonly found: Found;
  readonly differs?: readonly string[] | null;
  readonly apply?: readonly Exchange[];
  /** Words of what becomes of that. */
  readonly throws?: string;
  /** Words of why it is not done. */
  readonly refuses?: string;
}
