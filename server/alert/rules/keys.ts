// server/alert/rules/keys.ts: keys that nobody uses, and keys that somebody else seems to use.

import type { Reading } from '../../domain/alert.ts';
import { DAY_MS, HOUR_MS } from '../../domain/durations.ts';
import type { Figures } from '../figures.ts';
import { percent } from './show.ts';

/** A key that could be used and was not for so many days. One that was never seen counts from its making; one whose making is not known does not count. */
export function unusedKeys({ keys, now, rules, notify }: Figures): Reading[] {
  if (!rules.keyUnused.enabled) return [];
  const seen = new Set<string>();
  return keys.flatMap((key): Reading[] => {
    const last = key.lastUsedAt ?? key.createdAt;
    const usable = key.revokedAt === null && (key.expiresAt === null || key.expiresAt > now);
    // A rotated key is listed twice.
    if (last === null || !usable || seen.has(key.id)) return [];
    seen.add(key.id);
    const days = (now - last) / DAY_MS;
    const tier = rules.keyUnused.afterDays.filter((limit) => days >= limit).length;
    return [{
      rule: 'key_unused', scope: key.id, period: null, basis: '', tier, keeps: tier, severity: tier >= rules.keyUnused.afterDays.length && tier > 1 ? 'warning' : 'info', forMs: 0, clearMs: 0, rearmMs: 0,
      title: `Key ${key.id} is not used`,
      text: `Nobody has used it for ${Math.floor(days)} days. A key that is not needed can only be stolen: \`tollgate keys revoke ${key.id}\`${key.origin === 'config' ? ', or take it out of the config' : ''}.`,
      facts: [{ label: 'Key', value: key.id }, { label: 'Workspace', value: key.workspace }, { label: 'Days', value: String(Math.floor(days)) }],
      value: days, threshold: rules.keyUnused.afterDays[Math.max(0, tier - 1)] ?? 0, unit: 'days', notify,
    }];
  });
}

/** Two signs at once: many models mostly refused, models that the key never called, far more calls than its busiest hour. */
export function leakingKeys({ keyActivity, keyHabits, rules, notify }: Figures): Reading[] {
  if (!rules.keyLeak.enabled) return [];
  return keyActivity.map(({ key, calls, rejected, models }): Reading => {
    const habit = keyHabits?.get(key) ?? null;
    const strange = habit === null ? [] : models.filter((model) => !habit.models.has(model));
    const signs = [
      models.length >= 5 && rejected / calls >= 0.5 ? `${models.length} models, ${percent(rejected / calls)} of the calls refused` : null,
      strange.length >= 2 ? `${strange.length} models that it never called before` : null,
      habit !== null && calls > 50 && calls > 10 * habit.busiestHour ? `${calls} calls in an hour; its busiest had ${habit.busiestHour}` : null,
    ].filter((sign) => sign !== null);
    const tier = signs.length >= 2 ? 1 : 0;
    return {
      rule: 'key_leak', scope: key, period: null, basis: '', tier, keeps: signs.length >= 1 ? 1 : 0, severity: 'critical', forMs: 0, clearMs: HOUR_MS, rearmMs: DAY_MS,
      title: `Key ${key} may have leaked`,
      text: `It is used as a stolen key is: ${signs.join('; ')}. If that was not you: \`tollgate keys rotate ${key}\`.`,
      facts: [{ label: 'Key', value: key }, ...signs.map((value, index) => ({ label: `Sign ${index + 1}`, value }))],
      value: signs.length, threshold: 2, unit: 'count', notify,
    };
  });
}
