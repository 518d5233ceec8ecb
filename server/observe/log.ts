// server/observe/log.ts: the log: JSON lines by pino, from an allow-list of fields, every text made harmless first.

import { pino, type DestinationStream } from 'pino';
import type { Log, LogFields } from '../domain/observer.ts';
import type { Settings } from '../domain/settings.ts';

const FIELDS = ['call', 'workspace', 'workflow', 'key', 'endpoint', 'outcome', 'reason', 'status', 'code', 'ms', 'count', 'file', 'detail'] as const satisfies readonly (keyof LogFields)[];
const MOST_BYTES = 256;
/**
 * A mistake of the config ends with the list of what would have been right, and what kept a config from being put in force can be several
 * mistakes, of a price file for one. Neither holds anything of a call: values are in it only where they can be no secret.
 */
const LONG_DETAIL = { events: new Set(['config_mistake']), bytes: 1_000 };
/** C0 and C1 controls, line and paragraph separators, and what turns the direction of text around on a screen. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export interface LeveledLog extends Log {
  /** For a reload of the config. */
  setLevel(level: Settings['log']['level']): void;
}

/** @param destination where the lines go; standard output unless told */
export function createLog(level: Settings['log']['level'], destination?: DestinationStream): LeveledLog {
  const sink = pino(
    { level, base: null, messageKey: 'event', timestamp: () => `,"time":"${new Date().toISOString()}"`, formatters: { level: (label) => ({ level: label }) } },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
  const write = (as: 'debug' | 'info' | 'warn' | 'error') => (event: string, fields?: LogFields) => {
    if (sink.isLevelEnabled(as)) sink[as](fields === undefined ? {} : allowed(event, fields), '%s', harmless(event));
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), setLevel: (next) => void (sink.level = next) };
}

/** Field by field from the list: an object that carries more than its type says leaves the rest behind. */
function allowed(event: string, fields: LogFields): Record<string, string | number> {
  const out: Record<string, string | number> = {};
  for (const name of FIELDS) {
    const value: unknown = fields[name];
    if (typeof value === 'string') out[name] = harmless(value, name === 'detail' && LONG_DETAIL.events.has(event) ? LONG_DETAIL.bytes : MOST_BYTES);
    else if (typeof value === 'number' && Number.isFinite(value)) out[name] = value;
  }
  return out;
}

const encoder = new TextEncoder();
const room = new Uint8Array(LONG_DETAIL.bytes);

/** Controls become `\uXXXX` in plain letters, so that they stay harmless once a reader has decoded the JSON; cut at so many bytes, never inside a character. */
function harmless(text: string, most = MOST_BYTES): string {
  const short = text.length > most ? text.slice(0, most) : text;
  const escaped = short.replace(CONTROLS, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  // Through bytes and back: half a surrogate pair becomes U+FFFD.
  return Buffer.from(room.buffer, 0, encoder.encodeInto(escaped, room.subarray(0, most)).written).toString('utf8');
}
