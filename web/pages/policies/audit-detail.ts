// web/pages/policies/audit-detail.ts: the detail of a line of the audit, in one line that a person reads.

import { fullTime, money, nanos } from '../../format.ts';

/** Empty where there is nothing to say. */
export function detailOf(detail: unknown, zone: string): string {
  if (detail === null || typeof detail !== 'object') return String((detail as string | number | boolean | null | undefined) ?? '');
  return Object.entries(detail)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.replace(/_usd$/, '').replaceAll('_', ' ')} ${valueOf(name, value, zone)}`)
    .join(', ');
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function valueOf(name: string, value: unknown, zone: string): string {
  if (typeof value === 'object') return JSON.stringify(value);
  if (typeof value === 'string' && name.endsWith('_usd')) return money(nanos(value));
  // With its year: an end may be far off. Thousandths say something only where there are any.
  if (typeof value === 'string' && INSTANT.test(value)) return fullTime(Date.parse(value), zone).replace('.000 ', ' ');
  return String(value as string | number | boolean);
}
