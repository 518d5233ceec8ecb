// server/domain/json-cursor.ts: walks JSON text in place, strictly, without building objects for what nobody asks about.

/** RFC 8259 lets a parser set a limit; no honest body comes near this one. */
const MAX_DEPTH = 100;
/** Below this many bytes a loop in JavaScript is quicker than a native search. */
const NEAR_BYTES = 24;

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** What stands at the cursor. */
export type Kind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';

/** Says where and what, and never quotes the text. */
export class ScanFailure extends Error {
  override readonly name = 'ScanFailure';
}

/** A closed set of names, found by their bytes. */
export class Names<const Name extends string> {
  readonly names: readonly Name[];
  readonly #byLength: { name: Name; bytes: Buffer; bit: number }[][] = [];
  readonly #byName = new Map<string, { name: Name; bit: number }>();

  /** @param names at most 31, so that a set of them fits one integer */
  constructor(names: readonly Name[]) {
    this.names = names;
    names.forEach((name, index) => {
      const entry = { name, bytes: Buffer.from(name), bit: 1 << index };
      (this.#byLength[entry.bytes.length] ??= []).push(entry);
      this.#byName.set(name, entry);
    });
  }

  /** Null when the string at [start, end), quotes left out, is none of the names. */
  find(text: Buffer, start: number, end: number): { name: Name; bit: number } | null {
    candidate: for (const entry of this.#byLength[end - start] ?? NONE) {
      for (let i = 0; i < entry.bytes.length; i++) if (text[start + i] !== entry.bytes[i]) continue candidate;
      return entry as { name: Name; bit: number };
    }
    // "mod\u0065l" is the same name to every parser, so it must be to us.
    if (end - start > LONGEST_SPELLING || !hasBackslash(text, start, end)) return null;
    return this.#byName.get(decodeString(text, start - 1, end + 1)) ?? null;
  }
}

const NONE: readonly never[] = [];

/** A name of 40 characters spelled in \uXXXX throughout. Longer strings are no name of ours, however they are spelled. */
const LONGEST_SPELLING = 240;

function hasBackslash(text: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (text[i] === BACKSLASH) return true;
  return false;
}

/**
 * A cursor over UTF-8 bytes that the caller has found valid. Structure, numbers and literals are checked to RFC 8259. A string
 * that nobody reads is only followed to its end (a quote after an even run of backslashes, on which all parsers agree); what
 * it says is for the provider to judge. A string that is read is checked in full. Every method throws a `ScanFailure`.
 */
export class Cursor {
  readonly text: Buffer;
  at = 0;
  /** The string passed last, quotes left out: [start, end). */
  stringStart = 0;
  stringEnd = 0;
  #depth = 0;

  constructor(text: Buffer) {
    this.text = text;
  }

  fail(expected: string): never {
    throw new ScanFailure(`the body is not accepted: expected ${expected} at byte ${this.at}`);
  }

  /** The kind of the value that comes next, white space passed. */
  kind(): Kind {
    const byte = this.#next();
    if (byte === QUOTE) return 'string';
    if (byte === OPEN_BRACE) return 'object';
    if (byte === OPEN_BRACKET) return 'array';
    if (byte === 0x74 || byte === 0x66) return 'boolean';
    if (byte === 0x6e) return 'null';
    if (byte === MINUS || (byte >= ZERO && byte <= NINE)) return 'number';
    return this.fail('a JSON value');
  }

  /** Nothing but white space may follow. */
  finish(): void {
    if (this.#next() !== -1) this.fail('the end of the body');
  }

  /**
   * Walks an object. `onMember` gets the member's name, null when it is none of `names`, and must consume the value.
   * A name of `names` that stands there twice is refused: which of the two another parser takes is anyone's guess.
   */
  object<Name extends string>(names: Names<Name>, onMember: (name: Name | null) => void): void {
    this.#enter();
    let seen = 0;
    if (this.#next() !== CLOSE_BRACE) {
      do {
        const found = this.#member(names, seen);
        if (found !== null) seen |= found.bit;
        onMember(found === null ? null : found.name);
      } while (this.#more(CLOSE_BRACE));
    }
    this.#leave();
  }

  /** Walks an array. `onElement` must consume the value. */
  array(onElement: () => void): void {
    this.#enter();
    if (this.#next() !== CLOSE_BRACKET) {
      do onElement();
      while (this.#more(CLOSE_BRACKET));
    }
    this.#leave();
  }

  /** As `object`, for a walk that wants to rest on its way; whoever takes a name must consume its value before the next. */
  *members<Name extends string>(names: Names<Name>): Generator<Name | null> {
    this.#enter();
    let seen = 0;
    if (this.#next() !== CLOSE_BRACE) {
      do {
        const found = this.#member(names, seen);
        if (found !== null) seen |= found.bit;
        yield found === null ? null : found.name;
      } while (this.#more(CLOSE_BRACE));
    }
    this.#leave();
  }

  /** As `array`, for a walk that wants to rest on its way. */
  *elements(): Generator<void> {
    this.#enter();
    if (this.#next() !== CLOSE_BRACKET) {
      do yield;
      while (this.#more(CLOSE_BRACKET));
    }
    this.#leave();
  }

  /** Passes one value of any kind. */
  skip(): void {
    switch (this.kind()) {
      case 'string':
        return this.#string();
      case 'object':
        this.#enter();
        if (this.#next() !== CLOSE_BRACE) {
          do {
            if (this.#next() !== QUOTE) this.fail('a member name');
            this.#string();
            if (this.#next() !== COLON) this.fail('":"');
            this.at++;
            this.skip();
          } while (this.#more(CLOSE_BRACE));
        }
        return this.#leave();
      case 'array':
        this.#enter();
        if (this.#next() !== CLOSE_BRACKET) {
          do this.skip();
          while (this.#more(CLOSE_BRACKET));
        }
        return this.#leave();
      case 'number':
        this.#number();
        return;
      case 'boolean':
        return this.#literal(this.text[this.at] === 0x74 ? 'true' : 'false');
      case 'null':
        return this.#literal('null');
    }
  }

  /** The string value that comes next, decoded. The kind must have been found to be a string. */
  string(): string {
    this.#string();
    return decodeString(this.text, this.stringStart - 1, this.stringEnd + 1);
  }

  /** As `string`, but only told apart from a set of names; null for any other. Builds nothing. */
  word<Name extends string>(names: Names<Name>): Name | null {
    this.#string();
    return names.find(this.text, this.stringStart, this.stringEnd)?.name ?? null;
  }

  boolean(): boolean {
    const value = this.text[this.at] === 0x74;
    this.#literal(value ? 'true' : 'false');
    return value;
  }

  /** A whole number from 0 to 2^53 - 1, written without an exponent; `8192.0` is taken, as the API takes it. */
  wholeNumber(): number {
    const start = this.at;
    this.#number();
    const written = this.text.toString('latin1', start, this.at);
    const value = /^\d{1,16}(?:\.0{1,16})?$/.test(written) ? Number(written) : Number.NaN;
    if (!Number.isSafeInteger(value)) {
      this.at = start;
      this.fail('a whole number from 0 to 9007199254740991');
    }
    return value;
  }

  /** Passes a member's name and colon. `seen` has the bits of the names that the object had before. */
  #member<Name extends string>(names: Names<Name>, seen: number): { name: Name; bit: number } | null {
    if (this.#next() !== QUOTE) this.fail('a member name');
    const at = this.at;
    this.#string();
    const found = names.find(this.text, this.stringStart, this.stringEnd);
    if (found !== null && (seen & found.bit) !== 0) {
      this.at = at;
      this.fail(`"${found.name}" only once`);
    }
    if (this.#next() !== COLON) this.fail('":"');
    this.at++;
    return found;
  }

  /** The byte at the cursor once white space is passed, -1 at the end. */
  #next(): number {
    const { text } = this;
    let i = this.at;
    for (; i < text.length; i++) {
      const byte = text[i]!;
      if (byte !== SPACE && byte !== LINE_FEED && byte !== CARRIAGE_RETURN && byte !== TAB) {
        this.at = i;
        return byte;
      }
    }
    this.at = i;
    return -1;
  }

  /** True after a comma, false at the closing bracket, which stays. */
  #more(close: number): boolean {
    const byte = this.#next();
    if (byte === COMMA) {
      this.at++;
      return true;
    }
    return byte === close ? false : this.fail(close === CLOSE_BRACE ? '"," or "}"' : '"," or "]"');
  }

  #enter(): void {
    this.#depth++;
    if (this.#depth > MAX_DEPTH) this.fail(`at most ${MAX_DEPTH} levels of nesting`);
    this.at++;
  }

  #leave(): void {
    this.#depth--;
    this.at++;
  }

  #string(): void {
    const { text } = this;
    const start = this.at + 1;
    this.stringStart = start;
    for (let i = start; ; ) {
      const near = Math.min(i + NEAR_BYTES, text.length);
      while (i < near) {
        const byte = text[i];
        if (byte === QUOTE) return this.#endString(i);
        i += byte === BACKSLASH ? 2 : 1;
      }
      // Then the native search, which passes 100 KB in a microsecond. A quote ends the string unless an odd run of
      // backslashes stands before it; where quotes are dense, the loop above takes over again.
      const quote = text.indexOf(QUOTE, i);
      if (quote === -1) this.fail('a string that ends');
      let run = quote;
      while (run > start && text[run - 1] === BACKSLASH) run--;
      if (((quote - run) & 1) === 0) return this.#endString(quote);
      i = quote + 1;
    }
  }

  #endString(quote: number): void {
    this.stringEnd = quote;
    this.at = quote + 1;
  }

  #number(): void {
    const { text } = this;
    let i = this.at;
    if (text[i] === MINUS) i++;
    const first = i;
    i = digits(text, i);
    if (i === first || (i - first > 1 && text[first] === ZERO)) this.fail('a number');
    if (text[i] === DOT) {
      const fraction = i + 1;
      i = digits(text, fraction);
      if (i === fraction) this.fail('a number');
    }
    if (text[i] === 0x65 || text[i] === 0x45) {
      let exponent = i + 1;
      if (text[exponent] === MINUS || text[exponent] === 0x2b) exponent++;
      i = digits(text, exponent);
      if (i === exponent) this.fail('a number');
    }
    this.at = i;
  }

  #literal(word: string): void {
    for (let i = 0; i < word.length; i++) if (this.text[this.at + i] !== word.charCodeAt(i)) this.fail(word);
    this.at += word.length;
  }
}

function digits(text: Buffer, from: number): number {
  let i = from;
  while (text[i]! >= ZERO && text[i]! <= NINE) i++;
  return i;
}

/** [start, end) with the quotes. Control characters and broken escapes are refused here, since this string matters to us. */
function decodeString(text: Buffer, start: number, end: number): string {
  try {
    return JSON.parse(text.toString('utf8', start, end)) as string;
  } catch {
    // The parser's own message would quote the text.
    throw new ScanFailure(`the body is not accepted: expected a string without control characters or broken escapes at byte ${start}`);
  }
}
