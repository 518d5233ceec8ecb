// server/settings/cursor.ts: walks the plain values of a config that may still be wrong: what is not there, or of another form than asked for, reads as nothing.

import type { ConfigDocument, Path } from './document.ts';

export class Cursor {
  readonly path: Path;
  readonly value: unknown;
  private readonly document: ConfigDocument;
  private constructor(document: ConfigDocument, path: Path, value: unknown) {
    this.document = document;
    this.path = path;
    this.value = value;
  }
  static root(document: ConfigDocument): Cursor {
    return new Cursor(document, [], document.value);
  }
  get written(): boolean {
    return this.value !== undefined;
  }
  field(name: string): Cursor {
    const own = isMapping(this.value) && Object.hasOwn(this.value, name);
    return new Cursor(this.document, [...this.path, name], own ? (this.value as Record<string, unknown>)[name] : undefined);
  }
  list(name: string): Cursor[] {
    const field = this.field(name);
    return Array.isArray(field.value) ? field.value.map((item, index) => new Cursor(this.document, [...field.path, index], item)) : [];
  }
  names(): string[] {
    return isMapping(this.value) ? Object.keys(this.value) : [];
  }
  /** The text of a string or boolean; null for everything else, and where a variable is missing. */
  text(): string | null {
    if (this.document.unfilled(this.path)) return null;
    return typeof this.value === 'string' || typeof this.value === 'boolean' ? String(this.value) : null;
  }
}

const isMapping = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Names that others may refer to. Those that came from the environment are known, but not shown. */
export class Names {
  /** True when a declaration could not be read, so that a name that is not here may well exist. */
  incomplete = false;
  private readonly printableByName = new Map<string, boolean>();
  constructor(printable: Iterable<string> = []) {
    for (const name of printable) this.add(name, true);
  }
  add(name: string, printable: boolean): void {
    this.printableByName.set(name, printable);
  }
  has(name: string): boolean {
    return this.printableByName.has(name);
  }
  printable(): string[] {
    return [...this.printableByName].filter(([, printable]) => printable).map(([name]) => name);
  }
  /** Both together. */
  with(other: Names): Names {
    const both = new Names();
    both.incomplete = this.incomplete || other.incomplete;
    for (const names of [this, other]) for (const [name, printable] of names.printableByName) both.add(name, printable);
    return both;
  }
}
