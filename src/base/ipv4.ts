/** An IPv4 network: first address and number of addresses, both as unsigned 32-bit numbers. */
export interface Block {
  readonly first: number;
  readonly size: number;
}

/** The number of an IPv4 address in dotted decimals, or undefined when `text` is none. Leading zeros are refused. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return undefined;
  return parts.reduce((number, part) => number * 256 + Number(part), 0);
}

/** The dotted decimals of an address; `number` is an integer from 0 to 2³²−1. */
export function formatAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}

/** The block of `10.77.0.0/24`; host bits are cut off, so 10.77.0.9/24 is the same block. Undefined when `text` is no CIDR. */
export function parseBlock(text: string): Block | undefined {
  const match = /^([\d.]+)\/(0|[1-9]\d?)$/.exec(text);
  const address = match ? parseAddress(match[1]!) : undefined;
  const prefix = Number(match?.[2]);
  if (address === undefined || prefix > 32) return undefined;
  const size = 2 ** (32 - prefix);
  return { first: address - (address % size), size };
}

export function formatBlock({ first, size }: Block): string {
  return `${formatAddress(first)}/${32 - Math.log2(size)}`;
}

export function contains(block: Block, address: number): boolean {
  return address >= block.first && address < block.first + block.size;
}

/** The block's own address and its broadcast address belong to no host, unless it is a /31 or /32 (RFC 3021). */
export function isReserved(block: Block, address: number): boolean {
  return block.size > 2 && (address === block.first || address === block.first + block.size - 1);
}

export function overlap(a: Block, b: Block): boolean {
  return a.first < b.first + b.size && b.first < a.first + a.size;
}
