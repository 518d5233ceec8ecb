// server/meter/events.ts: a byte-level reader of server-sent events that looks only at the few events an account needs.

/** What to do with the data of an event, decided from its `event:` line or, where there is none, from the first bytes of its data. */
export type Interest = 'keep' | 'count' | 'skip';

export interface EventReader {
  /** Asked once per event: by its name (a range of bytes), if it has one before its data. */
  byName(buffer: Buffer, start: number, end: number): Interest;
  /** Asked once per event without a name, with the start of its data. */
  byData(buffer: Buffer, start: number, end: number): Interest;
  /** The data of a `count` event; `head` may be cut off after `HEAD_BYTES`. */
  count(dataBytes: number, buffer: Buffer, start: number, end: number): void;
  /** The data of a `keep` event, whole. */
  keep(data: Buffer): void;
  /** A `keep` event was larger than `EVENT_BYTES` and was let go. */
  oversized(): void;
}

/** An event with more data than this is not collected. */
export const EVENT_BYTES = 1024 * 1024;
/** What is kept of a line whose rest is only counted. */
const HEAD_BYTES = 1024;

const NEAR_BYTES = 32;
const UNKNOWN = -2;
const LF = 10;
const CR = 13;
const COLON = 58;
const SPACE = 32;

/**
 * Splits a stream into events as the WHATWG HTML standard has it (section 9.2.6): lines end in LF, CR or CRLF, a byte order mark may
 * open the stream, a colon opens a comment, several `data` lines are joined by LF, an empty line ends an event. Works on bytes, so
 * that a chunk may end inside a character and invalid UTF-8 harms nothing. An event that lies whole in one chunk is never copied; of
 * one that does not, at most `EVENT_BYTES` are held.
 */
export class EventScanner {
  readonly #reader: EventReader;
  /** The beginning of a line whose end has not come; copies, since chunks are not ours to keep. */
  #held: Buffer[] = [];
  /** Its length, also of what was let go. */
  #heldBytes = 0;
  #letGo = false;
  #afterCr = false;
  /** Where the next CR of the current chunk was seen from a search already made. */
  #cr = UNKNOWN;
  #firstLine = true;

  #interest: Interest | null = null;
  /** Kept data of the event so far; the last piece may still be a view of the current chunk. */
  #data: Buffer[] = [];
  #dataBytes = 0;
  #dataIsView = false;
  #tooLarge = false;

  constructor(reader: EventReader) {
    this.#reader = reader;
  }

  tap(chunk: Buffer): void {
    const length = chunk.length;
    let at = 0;
    if (length === 0) return;
    if (this.#afterCr && chunk[0] === LF) at = 1;
    this.#afterCr = false;
    this.#cr = UNKNOWN;
    while (at < length) {
      const end = this.#lineEnd(chunk, at);
      if (end === -1) break;
      if (this.#heldBytes > 0) this.#endHeld(chunk, at, end);
      else this.#line(chunk, at, end);
      at = end + 1;
      if (chunk[end] === CR) {
        if (at === length) this.#afterCr = true;
        else if (chunk[at] === LF) at++;
      }
    }
    if (at < length) this.#hold(chunk, at);
    if (this.#dataIsView) {
      const last = this.#data.length - 1;
      this.#data[last] = Buffer.from(this.#data[last] as Buffer);
      this.#dataIsView = false;
    }
  }

  /** The stream is over. An event that lacks only its empty line is read all the same: what was counted was sent. */
  end(): void {
    if (this.#heldBytes > 0) this.#endHeld(Buffer.alloc(0), 0, 0);
    this.#dispatch();
  }

  /** The next LF or CR, or -1. A native call costs as much as looking at some dozens of bytes here, so short lines never come to it. */
  #lineEnd(chunk: Buffer, start: number): number {
    const near = Math.min(chunk.length, start + NEAR_BYTES);
    for (let at = start; at < near; at++) {
      const byte = chunk[at] as number;
      if (byte <= CR && (byte === LF || byte === CR)) return at;
    }
    if (near === chunk.length) return -1;
    const lf = chunk.indexOf(LF, near);
    // Most streams hold no CR at all; a chunk is searched for it once.
    if (this.#cr === UNKNOWN || (this.#cr !== -1 && this.#cr < near)) this.#cr = chunk.indexOf(CR, near);
    return lf === -1 || (this.#cr !== -1 && this.#cr < lf) ? this.#cr : lf;
  }

  #hold(chunk: Buffer, start: number): void {
    const wanted = this.#interest === 'skip' || this.#interest === 'count' ? HEAD_BYTES : EVENT_BYTES;
    const room = Math.max(0, wanted - this.#heldBytes);
    const end = Math.min(chunk.length, start + room);
    if (end > start) this.#held.push(Buffer.from(chunk.subarray(start, end)));
    this.#heldBytes += chunk.length - start;
    if (end < chunk.length) this.#letGo = true;
  }

  #endHeld(chunk: Buffer, start: number, end: number): void {
    const bytes = this.#heldBytes + end - start;
    const cut = this.#letGo;
    const line = cut ? Buffer.concat(this.#held) : Buffer.concat([...this.#held, chunk.subarray(start, end)]);
    this.#held = [];
    this.#heldBytes = 0;
    this.#letGo = false;
    this.#line(line, 0, line.length, cut ? bytes : line.length);
    // The line is a buffer of its own: nobody else will write to it.
    this.#dataIsView = false;
  }

  /** @param lineBytes the line's true length, where the buffer holds only the start of it */
  #line(buffer: Buffer, start: number, end: number, lineBytes: number = end - start): void {
    let at = start;
    if (this.#firstLine) {
      this.#firstLine = false;
      if (buffer[at] === 0xef && buffer[at + 1] === 0xbb && buffer[at + 2] === 0xbf) at += 3;
    }
    if (at === end) return this.#dispatch();
    const first = buffer[at];
    if (first === 0x64 && isField(buffer, at, end, DATA)) {
      const value = valueStart(buffer, at + 4, end);
      return this.#dataLine(buffer, value, end, lineBytes - (value - start));
    }
    if (first === 0x65 && isField(buffer, at, end, EVENT)) {
      // A name after the data changes nothing any more: the data was judged by itself.
      if (this.#dataBytes === 0) this.#interest = this.#reader.byName(buffer, valueStart(buffer, at + 5, end), end);
    }
  }

  #dataLine(buffer: Buffer, start: number, end: number, bytes: number): void {
    this.#interest ??= this.#reader.byData(buffer, start, end);
    // One for the line feed that joins it to the line before.
    this.#dataBytes += bytes + 1;
    if (this.#interest === 'skip') return;
    if (this.#interest === 'count') return this.#reader.count(bytes, buffer, start, end);
    if (bytes > end - start || this.#dataBytes > EVENT_BYTES) {
      this.#tooLarge = true;
      this.#data = [];
      this.#dataIsView = false;
      return;
    }
    if (this.#tooLarge) return;
    if (this.#dataIsView) this.#data.push(Buffer.from(this.#data.pop() as Buffer));
    this.#data.push(buffer.subarray(start, end));
    this.#dataIsView = true;
  }

  #dispatch(): void {
    if (this.#dataBytes > 0 && this.#interest === 'keep') {
      if (this.#tooLarge) this.#reader.oversized();
      else this.#reader.keep(this.#data.length === 1 ? (this.#data[0] as Buffer) : Buffer.concat(this.#data.flatMap((line, n) => (n === 0 ? [line] : [NEWLINE, line]))));
    }
    this.#interest = null;
    if (this.#data.length > 0) this.#data = [];
    this.#dataBytes = 0;
    this.#dataIsView = false;
    this.#tooLarge = false;
  }
}

const NEWLINE = Buffer.from('\n');
const DATA = Buffer.from('data');
const EVENT = Buffer.from('event');

/** Whether a line is this field: its name, then a colon or the end of the line. */
function isField(buffer: Buffer, start: number, end: number, name: Buffer): boolean {
  return startsWith(buffer, start, end, name) && (start + name.length === end || buffer[start + name.length] === COLON);
}

/** Past the colon and one space; a field without a colon has an empty value. */
function valueStart(buffer: Buffer, colon: number, end: number): number {
  if (colon >= end) return end;
  return colon + 1 < end && buffer[colon + 1] === SPACE ? colon + 2 : colon + 1;
}

/** Whether the range begins with these bytes. */
export function startsWith(buffer: Buffer, start: number, end: number, bytes: Buffer): boolean {
  const length = bytes.length;
  if (end - start < length) return false;
  for (let i = 0; i < length; i++) if (buffer[start + i] !== bytes[i]) return false;
  return true;
}
