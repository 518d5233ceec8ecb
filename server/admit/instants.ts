// server/admit/instants.ts: the times in the provider's headers: RFC 3339 instants, or durations from now.

import { epochMs, type EpochMs } from '../domain/ids.ts';

const INSTANT = /^\d{4}-\d{2}-\d{2}T/;

/** False for a duration. */
export const isInstant = (text: string): boolean => INSTANT.test(text);

/** An RFC 3339 instant, or a duration from now as the OpenAI-compatible endpoint writes it (`6m0s`, `1.5s`, `20ms`). */
export function instantOf(text: string | null, at: EpochMs): EpochMs | null {
  if (text === null) return null;
  const today = ofKnownDay(text);
  if (today !== null) return epochMs(today);
  if (INSTANT.test(text)) {
    const instant = Date.parse(text);
    return Number.isNaN(instant) ? null : epochMs(instant);
  }
  const match = /^(?:(\d{1,4})h)?(?:(\d{1,4})m(?!s))?(?:(\d{1,5}(?:\.\d{1,9})?)s)?(?:(\d{1,7})ms)?$/.exec(text.trim());
  if (match === null || text.trim() === '') return null;
  const [hours, minutes, seconds, millis] = match.slice(1).map((part) => Number(part ?? 0)) as [number, number, number, number];
  return epochMs(at + Math.ceil(hours * 3_600_000 + minutes * 60_000 + seconds * 1_000 + millis));
}

/** The day that was read last, as an instant of it begins, and the millisecond at which it does. */
let lastDay = { text: '', from: 0 };
const WHOLE_SECOND = '2026-01-01T00:00:00Z'.length;
const ZULU = 0x5a;
const COLON = 0x3a;

/** An instant in whole seconds of UTC, as the provider writes four of them on every answer: nearly all are of one day, and several times as quick to read by the clock alone. Null for any other. */
function ofKnownDay(text: string): number | null {
  if (text.length !== WHOLE_SECOND || text.charCodeAt(WHOLE_SECOND - 1) !== ZULU || text.charCodeAt(13) !== COLON || text.charCodeAt(16) !== COLON) return null;
  if (lastDay.text === '' || !text.startsWith(lastDay.text)) {
    const day = text.slice(0, 'YYYY-MM-DDT'.length);
    const from = INSTANT.test(day) ? Date.parse(`${day}00:00:00Z`) : NaN;
    if (Number.isNaN(from)) return null;
    lastDay = { text: day, from };
  }
  const hours = twoDigits(text, 11);
  const minutes = twoDigits(text, 14);
  const seconds = twoDigits(text, 17);
  return hours < 24 && minutes < 60 && seconds < 60 ? lastDay.from + ((hours * 60 + minutes) * 60 + seconds) * 1000 : null;
}

/** NaN where there are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 0x30;
  const ones = text.charCodeAt(at + 1) - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN;
}
