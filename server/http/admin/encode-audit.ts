// server/http/admin/encode-audit.ts: what the audit log keeps of a change, in the words of the wire.

import { nanodollars, usdString } from '../../domain/money.ts';
import { iso } from './encode.ts';

type Encode = (value: unknown) => unknown;

/** The log is sealed, so its lines keep the form in which the ledger wrote them; only the reading is put right. */
const FIELDS: ReadonlyMap<string, { readonly name: string; readonly encode: Encode }> = new Map([
  ['nanodollars', { name: 'amount_usd', encode: (value) => (typeof value === 'string' && /^-?\d+$/.test(value) ? usdString(nanodollars(BigInt(value))) : value) }],
  ['until', { name: 'until', encode: instant }],
  ['oldEndsAt', { name: 'old_ends_at', encode: instant }],
  ['expiresAt', { name: 'expires_at', encode: instant }],
]);

/** @param detail as it is stored; what is not JSON comes back as the text it is */
export function auditDetail(detail: string): unknown {
  let stored: unknown;
  try {
    stored = JSON.parse(detail);
  } catch {
    return detail;
  }
  if (typeof stored !== 'object' || stored === null || Array.isArray(stored)) return stored;
  return Object.fromEntries(
    Object.entries(stored).map(([name, value]) => {
      const field = FIELDS.get(name);
      return field === undefined ? [name, value] : [field.name, field.encode(value)];
    }),
  );
}

/** From milliseconds, or from ISO 8601 as a client wrote it. */
function instant(value: unknown): unknown {
  const at = typeof value === 'string' ? Date.parse(value) : value;
  return typeof at === 'number' && Number.isFinite(at) && Math.abs(at) <= LAST_INSTANT ? iso(at) : value;
}
const LAST_INSTANT = 8.64e15;
