// server/settings/fields.ts: the kinds of value a config line can have. Each says in one phrase what it expects, and turns the text into the unit the code uses.

import { z } from 'zod';
import { NAME_PATTERN } from '../domain/ids.ts';
import { nanoFromUsd, type Nanodollars } from '../domain/money.ts';
import type { HostPort } from '../domain/settings.ts';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const UNIT_BYTES = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 } as const;
/** Node's timers hold 31 bits of milliseconds; a longer one would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** A mapping with these keys and no others. Its message is the list of them. */
export const section = <Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> =>
  z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? oneOf(Object.keys(shape)) : `a mapping of ${oneOf(Object.keys(shape))}`) });

export const list = <Item extends z.ZodType>(item: Item, of: string): z.ZodArray<Item> => z.array(item, { error: `a list of ${of}` });

export const choice = <const Values extends readonly [string, ...string[]]>(values: Values) => z.enum(values, { error: oneOf(values) });

const NAME = 'a name of up to 64 lower-case letters, digits, `.`, `_` and `-`, beginning and ending with a letter or digit';
export const name = () => z.string({ error: NAME }).regex(NAME_PATTERN, { error: NAME });

/** Any text on one line, not empty. */
export const words = (expected: string) => z.string({ error: expected }).regex(/^[^\s](?:[^\r\n]{0,1022}[^\s])?$/, { error: expected });

/** A name or a glob of a model: no spaces, at most 256 characters. */
export const modelName = (expected: string, pattern = /^[^\s*?]{1,256}$/) => z.string({ error: expected }).regex(pattern, { error: expected });

/** A whole number, or the same in digits (so that it can come from the environment). */
export function whole(min: number, max = 1_000_000_000) {
  const expected = `a whole number from ${min} to ${max}`;
  // The message stands at every step: where one branch of a union fits the type, its own message is the one that is reported.
  const bounded = z.int({ error: expected }).min(min, { error: expected }).max(max, { error: expected });
  const digits = z.string({ error: expected }).regex(/^\d{1,15}$/, { error: expected }).transform(Number).pipe(bounded);
  return z.union([bounded, digits], { error: expected });
}

/** `true` or `false`, as a word or in quotes. */
export const flag = () => z.union([z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')], { error: '`true` or `false`' });

/** Milliseconds from `500ms`, `30s`, `10m`, `2h` or `1d`; what a timer can wait at most (24 days). */
export function duration() {
  const expected = 'a duration such as 500ms, 30s, 10m, 2h or 1d, at most 24d';
  return z.string({ error: expected }).regex(/^\d+(ms|s|m|h|d)$/, { error: expected }).transform((text, context) => {
    const match = /^(\d+)([a-z]+)$/.exec(text)!;
    const ms = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
    if (ms >= 1 && ms <= TIMER_MAX_MS) return ms;
    context.issues.push({ code: 'custom', message: expected, input: text });
    return z.NEVER;
  });
}

/** Bytes from `512KB`, `32MB` or `1GB`; a KB is 1,024 bytes. */
export function bytes() {
  const expected = 'a size such as 512KB, 32MB or 1GB';
  return z.string({ error: expected }).regex(/^\d+(B|KB|MB|GB)$/, { error: expected }).transform((text, context) => {
    const match = /^(\d+)([A-Z]+)$/.exec(text)!;
    const size = Number(match[1]) * UNIT_BYTES[match[2] as keyof typeof UNIT_BYTES];
    if (size >= 1 && size <= 64 * UNIT_BYTES.GB) return size;
    context.issues.push({ code: 'custom', message: `${expected}, at most 64GB`, input: text });
    return z.NEVER;
  });
}

/** Minutes since midnight from `20:00`. */
export function timeOfDay() {
  const expected = 'a time of day such as "20:00"';
  return z.string({ error: expected }).regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, { error: expected }).transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)));
}

/** Millionths of the whole, exact, from `50%` or `0.5%`. */
export function percent(min: string, max: string) {
  const expected = `a percentage from ${min} to ${max}`;
  return z.string({ error: expected }).regex(/^\d{1,4}(\.\d{1,4})?%$/, { error: expected }).transform((text, context) => {
    const millionths = millionthsOf(text);
    if (millionths >= millionthsOf(min) && millionths <= millionthsOf(max)) return millionths;
    context.issues.push({ code: 'custom', message: expected, input: text });
    return z.NEVER;
  });
}

const millionthsOf = (text: string): number => {
  const [units, fraction = ''] = text.slice(0, -1).split('.');
  return Number(units) * 10_000 + Number(fraction.padEnd(4, '0'));
};

/**
 * US dollars above zero, exact to the nano-dollar. A number reaches it as the text that stands in the file, so that it
 * never goes through a float.
 */
export function usd() {
  const expected = 'US dollars above 0 such as 400 or "0.25", with at most nine decimal places';
  return z.union([z.string(), z.number()], { error: expected }).transform((written, context): Nanodollars => {
    try {
      const amount = nanoFromUsd(written);
      if (amount > 0n && String(written).length <= 24) return amount;
    } catch {
      // Not a decimal, or finer than a nano-dollar: the same mistake as zero, reported below.
    }
    context.issues.push({ code: 'custom', message: expected, input: written });
    return z.NEVER;
  });
}

/** `127.0.0.1:4100`, `localhost:4100`, `[::1]:4100`; port 0 takes any free one. */
export function hostPort() {
  const expected = 'host:port, such as 127.0.0.1:4100 or [::1]:4100';
  return z.string({ error: expected }).regex(/^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/, { error: expected }).transform((text, context) => {
    const parsed = parseHostPort(text);
    if (parsed) return parsed;
    context.issues.push({ code: 'custom', message: expected, input: text });
    return z.NEVER;
  });
}

/** Null when it is not `host:port`. An IPv6 host stands in brackets and is returned without them. */
export function parseHostPort(text: string): HostPort | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  return match && port <= 65_535 ? { host: (match[1] ?? match[2])!, port } : null;
}

/** The name in a URL, in lower case: without scheme, port and path, and no pattern. */
export function hostName() {
  const expected = 'a host name without scheme and port, such as tollgate.example.com';
  return z.string({ error: expected }).regex(/^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/, { error: expected }).transform((text) => text.toLowerCase());
}

/** Whether only this machine can reach it. Names other than `localhost` are taken to be reachable from elsewhere. */
export const isLoopback = (host: string): boolean => host.toLowerCase() === 'localhost' || host === '::1' || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/i.test(host);

/** Scheme, host and port of a provider; a path would be lost without a word, so it is refused. */
export function origin() {
  const expected = 'an http or https address without path, such as https://api.anthropic.com';
  return z.string({ error: expected }).transform((text, context) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    const plain = url !== null && /^https?:\/\/[^/?#@\\\s]+\/?$/.test(text);
    if (plain) return url.origin;
    context.issues.push({ code: 'custom', message: expected, input: text });
    return z.NEVER;
  });
}

/** An address that paths are added to; its own path may be that of a proxy. Without a trailing slash. */
export function baseUrl() {
  const expected = 'an http or https address such as https://claude.example.com';
  return z.string({ error: expected }).transform((text, context) => {
    if (URL.canParse(text) && /^https?:\/\/[^/?#@\\\s]+(?:\/[^?#\\\s]*)?$/.test(text)) return text.replace(/\/+$/, '');
    context.issues.push({ code: 'custom', message: expected, input: text });
    return z.NEVER;
  });
}

/** A credential: may be empty here (an unset variable); what is there must fit in a header. */
export function credential() {
  const expected = 'printable ASCII without spaces or line breaks';
  return z.string({ error: expected }).regex(/^[\x21-\x7e]*$/, { error: expected });
}

/** A credential that we check ourselves: long enough not to be guessed. */
export const SECRET_LENGTH = 16;
export function secret() {
  const expected = `at least ${SECRET_LENGTH} printable ASCII characters without spaces`;
  return z.string({ error: expected }).regex(new RegExp(`^[\\x21-\\x7e]{${SECRET_LENGTH},512}$`), { error: expected });
}

export const oneOf = (names: readonly string[]): string => (names.length === 1 ? names[0]! : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`);
