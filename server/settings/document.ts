// server/settings/document.ts: reads YAML text into plain values, fills in the environment, and remembers where each value stands.

import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, Parser, type CST, type Document, type ErrorCode, type Node, type Scalar } from 'yaml';
import { interpolate, type Env } from './interpolate.ts';
import type { Mistake } from './mistakes.ts';

export type Path = readonly (string | number)[];

export interface ConfigDocument {
  /** Mappings without prototype, lists, strings, numbers, booleans and null. Money stays the text it was written as. */
  readonly value: unknown;
  /** What is wrong with the text, its names or its variables. */
  readonly mistakes: readonly Mistake[];
  /** False when the text could not be read as YAML, so that looking further would only find followers of that mistake. */
  readonly readable: boolean;
  /** A mistake at the value of a path (or its key, with `at: 'key'`); where the path is not in the file, at its nearest ancestor. */
  mistake(path: Path, what: string, expected?: string | null, suggestion?: string | null, at?: 'value' | 'key'): Mistake;
  /** True when part of the value came from the environment, so that no message may show it. */
  fromEnvironment(path: Path): boolean;
  /** The text at a path as the file has it, with the names of its variables; null where there are none in it. */
  unfilledText(path: Path): string | null;
  /** True when a variable in it could not be filled in: a mistake already, so that the value is not looked at further. */
  unfilled(path: Path): boolean;
}

/** Far above any real config: what keeps a file with aliases of aliases, or a thousand brackets, from growing without end. */
const MAX_NODES = 100_000;
const MAX_DEPTH = 32;
const MAX_ALIASES = 100;
/** Numbers under these names are kept as the text in the file, so that money never goes through a float. */
const MONEY = /_usd(_per_hour)?$/;

/** @param file how messages name it */
export function readDocument(file: string, text: string, env: Env): ConfigDocument {
  const lines = new LineCounter();
  const places = new Map<string, { key: number | null; value: number }>();
  const secretive = new Map<string, string>();
  const unfilled = new Set<string>();
  const mistakes: Mistake[] = [];

  const mistakeAt = (offset: number, what: string, expected: string | null = null, suggestion: string | null = null): Mistake => {
    const { line, col } = lines.linePos(offset);
    // An empty text has no first line to the counter; it has one to a reader.
    return { file, line: Math.max(1, line), column: Math.max(1, col), what, expected, suggestion };
  };
  const offsetOf = (path: Path, at: 'value' | 'key'): number => {
    for (let length = path.length; length >= 0; length--) {
      const place = places.get(JSON.stringify(path.slice(0, length)));
      if (!place) continue;
      // What is missing is missing from its parent, which begins at its key.
      return at === 'key' || (length < path.length && place.key !== null) ? (place.key ?? place.value) : place.value;
    }
    return 0;
  };
  const finish = (value: unknown, readable: boolean): ConfigDocument => ({
    value,
    mistakes,
    readable,
    mistake: (path, what, expected, suggestion, at = 'value') => mistakeAt(offsetOf(path, at), what, expected, suggestion),
    fromEnvironment: (path) => secretive.has(JSON.stringify(path)),
    unfilledText: (path) => secretive.get(JSON.stringify(path)) ?? null,
    unfilled: (path) => unfilled.has(JSON.stringify(path)),
  });

  const tooLarge = (error: unknown): ConfigDocument => {
    if (!(error instanceof TooLarge)) throw error;
    mistakes.push(mistakeAt(error.offset, 'the file holds too much, or is nested too deeply', `at most ${MAX_NODES} values, ${MAX_DEPTH} levels and ${MAX_ALIASES} aliases`));
    return finish(null, false);
  };

  const documents: Document.Parsed[] = [];
  try {
    // Twice-written keys are looked for below, where both places are known.
    for (const one of new Composer({ prettyErrors: false, uniqueKeys: false, logLevel: 'error', version: '1.2', schema: 'core' }).compose(parsed(text, lines), true, text.length)) {
      documents.push(one);
      if (documents.length > 1) break;
    }
  } catch (error) {
    return tooLarge(error);
  }
  const [document, second] = documents as [Document.Parsed, ...Document.Parsed[]];
  // The library's own messages quote the file, which can hold secrets.
  for (const { code, pos } of [...document.errors, ...document.warnings]) mistakes.push(mistakeAt(pos[0], YAML_MISTAKES[code]));
  if (second) mistakes.push(mistakeAt(second.range[0], YAML_MISTAKES.MULTIPLE_DOCS));
  if (mistakes.length > 0) return finish(null, false);

  let nodes = 0;
  let aliases = 0;
  const plain = (node: unknown, path: Path, keyOffset: number | null): unknown => {
    const offset = (node as Node | null)?.range?.[0] ?? keyOffset ?? 0;
    const place = JSON.stringify(path);
    places.set(place, { key: keyOffset, value: offset });
    if (++nodes > MAX_NODES || path.length > MAX_DEPTH) throw new TooLarge(offset);
    if (isAlias(node)) {
      if (++aliases > MAX_ALIASES) throw new TooLarge(offset);
      const target = node.resolve(document);
      if (!target) {
        mistakes.push(mistakeAt(offset, YAML_MISTAKES.BAD_ALIAS));
        unfilled.add(place);
        return null;
      }
      const value = plain(target, path, keyOffset);
      // What stands at the anchor is wrong where the alias stands.
      places.set(place, { key: keyOffset, value: offset });
      return value;
    }
    if (isMap(node)) {
      const fields: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
      const first = new Map<string, number>();
      for (const pair of node.items) {
        const at = (pair.key as Node | null)?.range?.[0] ?? offset;
        const key = isScalar(pair.key) ? keyText(pair.key) : null;
        if (key === null || key === '__proto__') {
          mistakes.push(mistakeAt(at, 'this cannot be the name of a key', 'a plain word'));
          continue;
        }
        const before = first.get(key);
        if (before !== undefined) {
          mistakes.push(mistakeAt(at, `"${key}" is written twice; the first is on line ${lines.linePos(before).line}`));
          continue;
        }
        first.set(key, at);
        fields[key] = plain(pair.value, [...path, key], at);
      }
      return fields;
    }
    if (isSeq(node)) return node.items.map((item, index) => plain(item, [...path, index], null));
    if (!isScalar(node)) return null;
    if (typeof node.value === 'number' && MONEY.test(String(path.at(-1)))) return node.source ?? String(node.value);
    if (typeof node.value !== 'string') return node.value;
    const source = text.slice(offset, node.range?.[1] ?? offset);
    const filled = interpolate(node.value, env);
    if (filled.used) secretive.set(place, node.value);
    let from = 0;
    for (const { written, what, expected } of filled.mistakes) {
      const found = source.indexOf(written, from);
      from = found < 0 ? from : found + written.length;
      mistakes.push(mistakeAt(offset + Math.max(0, found), what, expected));
      unfilled.add(place);
    }
    return filled.text;
  };
  try {
    return finish(plain(document.contents, [], null), true);
  } catch (error) {
    return tooLarge(error);
  }
}

/**
 * The syntax tree of each document, one token at a time. What is open lies on a stack of the parser's own, so a thousand brackets are
 * met while they are read, and not where they overflow the stack of whoever walks the tree.
 */
function* parsed(text: string, lines: LineCounter): Generator<CST.Token, void> {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  for (const token of new Lexer().lex(text)) {
    const { offset } = parser;
    yield* parser.next(token);
    // The document itself lies at the bottom, and what stands at the deepest level on top.
    if (parser.stack.length > MAX_DEPTH + 2) throw new TooLarge(offset);
  }
  yield* parser.end();
}

class TooLarge extends Error {
  readonly offset: number;
  constructor(offset: number) {
    super('too large');
    this.offset = offset;
  }
}

/** Keys are the text in the file: `1:` is the key "1", as a person reads it. */
const keyText = (key: Scalar): string | null => (typeof key.value === 'string' ? key.value : (key.source ?? null));

const INDENT = 'the indentation does not fit its surroundings';
const YAML_MISTAKES: Record<ErrorCode, string> = {
  ALIAS_PROPS: 'an alias cannot have an anchor or a tag',
  BAD_ALIAS: 'this alias names no anchor before it',
  BAD_COLLECTION_TYPE: 'the tag does not fit what follows it',
  BAD_DIRECTIVE: 'this directive is not YAML 1.2',
  BAD_DQ_ESCAPE: 'this backslash escape is not one that double quotes know',
  BAD_INDENT: INDENT,
  BAD_PROP_ORDER: 'anchors and tags stand before what they belong to, once',
  BAD_SCALAR_START: 'a value cannot begin with this character without quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a mapping cannot begin inside a line that is a key already; a value with `: ` in it needs quotes',
  BLOCK_IN_FLOW: 'an indented block cannot stand inside brackets or braces',
  DUPLICATE_KEY: 'this key is written twice',
  IMPOSSIBLE: 'this is not YAML',
  KEY_OVER_1024_CHARS: 'a key is longer than 1,024 characters; perhaps a `:` or a quote is missing',
  MISSING_CHAR: 'something is missing here: a quote, a comma, a bracket, a brace, a space, the `-` of a list, or indentation like that of the line above',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line; perhaps a `:` is missing on the line before',
  MULTIPLE_ANCHORS: 'a value can have one anchor only',
  MULTIPLE_DOCS: 'the file holds more than one document; `---` may stand at its beginning only',
  MULTIPLE_TAGS: 'a value can have one tag only',
  NON_STRING_KEY: 'this cannot be the name of a key',
  RESOURCE_EXHAUSTION: 'the file is nested too deeply to be read',
  TAB_AS_INDENT: 'lines are indented with spaces, not with tabs',
  TAG_RESOLVE_FAILED: 'this tag is not known here; leave it out',
  UNEXPECTED_TOKEN: 'this is not expected here; perhaps the indentation, a bracket or a quote is wrong',
};
