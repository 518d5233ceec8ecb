// server/batch/json-spans.ts: where the parts of a JSON document stand, so that one of them can be changed and all other bytes stay.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = new Set([0x7b, 0x5b]);
const CLOSE = new Set([0x7d, 0x5d]);
const SPACE = new Set([0x20, 0x09, 0x0a, 0x0d]);
const COMMA = 0x2c;

/** From the first byte of a value to the one after its last. */
export type Span = readonly [start: number, end: number];

/** Members of the object that begins at `at`; of two of one name the last, as JSON.parse has it. The text must have passed JSON.parse. */
export function membersOf(text: Buffer, at: number): Map<string, Span> {
  const members = new Map<string, Span>();
  let i = past(text, at + 1);
  while (text[i] === QUOTE) {
    const nameEnd = endOf(text, i);
    const name = JSON.parse(text.toString('utf8', i, nameEnd)) as string;
    const start = past(text, past(text, nameEnd) + 1);
    const end = endOf(text, start);
    members.set(name, [start, end]);
    i = past(text, end);
    if (text[i] === COMMA) i = past(text, i + 1);
  }
  return members;
}

/** Elements of the array that begins at `at`. The text must have passed JSON.parse. */
export function elementsOf(text: Buffer, at: number): Span[] {
  const elements: Span[] = [];
  let i = past(text, at + 1);
  while (i < text.length && !CLOSE.has(text[i]!)) {
    const end = endOf(text, i);
    elements.push([i, end]);
    i = past(text, end);
    if (text[i] === COMMA) i = past(text, i + 1);
  }
  return elements;
}

/** The value at a span, parsed. */
export const valueAt = (text: Buffer, [start, end]: Span): unknown => JSON.parse(text.toString('utf8', start, end)) as unknown;

/** The text with other values in the places of some; every byte outside of them stays. */
export function spliced(text: Buffer, edits: readonly { readonly span: Span; readonly value: Buffer }[]): Buffer {
  if (edits.length === 0) return text;
  const pieces: Buffer[] = [];
  let at = 0;
  for (const { span, value } of edits.toSorted((a, b) => a.span[0] - b.span[0])) {
    pieces.push(text.subarray(at, span[0]), value);
    at = span[1];
  }
  pieces.push(text.subarray(at));
  return Buffer.concat(pieces);
}

/** The first byte at or after `at` that is no white space. */
export function past(text: Buffer, at: number): number {
  let i = at;
  while (SPACE.has(text[i]!)) i++;
  return i;
}

function endOf(text: Buffer, start: number): number {
  if (text[start] === QUOTE) return endOfString(text, start);
  if (!OPEN.has(text[start]!)) {
    let i = start;
    while (i < text.length && text[i] !== COMMA && !CLOSE.has(text[i]!) && !SPACE.has(text[i]!)) i++;
    return i;
  }
  let depth = 0;
  for (let i = start; i < text.length; ) {
    const byte = text[i]!;
    if (byte === QUOTE) {
      i = endOfString(text, i);
      continue;
    }
    if (OPEN.has(byte)) depth++;
    else if (CLOSE.has(byte) && --depth === 0) return i + 1;
    i++;
  }
  return text.length;
}

function endOfString(text: Buffer, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === BACKSLASH) i++;
    else if (text[i] === QUOTE) return i + 1;
  }
  return text.length;
}
