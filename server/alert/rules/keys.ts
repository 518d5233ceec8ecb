// server/alert/rules/keys.ts: keys that nobody uses, and keys that somebody else seems to use.

import type { Reading } from '../../domain/alert.ts';
import { DAY_MS, HOUR_MS } from '../../domain/durations.ts';
import type { Figures, KeyHabit } from '../figures.ts';
import type { KeyNews } from '../key-signs.ts';
import type { KeyActivity } from '../pulse.ts';
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

/**
 * Two signs at once are a key that may be stolen: many models mostly refused, models that it never called, far more calls than in its busiest hour
 * or at an hour of the day that it is never used at, a network that it never came from, a client that it never used. A secret that has ended and
 * is still tried is told by itself, as what it mostly is: an app that nobody gave the new one.
 */
export function leakingKeys({ now, keys, keyActivity, keyHabits, keyNews, rules, notify }: Figures): Reading[] {
  if (!rules.keyLeak.enabled) return [];
  const active = new Map(keyActivity.map((activity) => [activity.key, activity]));
  const known = new Map(keys.map((key) => [String(key.id), key]));
  const tried = new Map(keys.flatMap(({ id, endedSecretTriedAt: at }) => (at != null && at > now - HOUR_MS && at <= now ? [[String(id), at]] : [])));
  return [...new Set([...active.keys(), ...tried.keys()])].map((key): Reading => {
    const habit = keyHabits?.get(key) ?? null;
    const signs = [...usedOddly(active.get(key), habit, now), ...comesFromElsewhere(keyNews.get(key))];
    const ended = tried.has(key);
    const theft = signs.length >= 2;
    const way = known.get(key)?.origin === 'config' ? 'give it another secret in the config' : `\`tollgate keys rotate ${key}\``;
    const facts = [...signs, ...(ended ? ['a secret of it that has ended was tried, and refused'] : [])];
    return {
      rule: 'key_leak', scope: key, period: null, basis: '', tier: theft ? 2 : ended ? 1 : 0, keeps: signs.length >= 1 ? 2 : ended ? 1 : 0,
      severity: theft ? 'critical' : 'warning', forMs: 0, clearMs: HOUR_MS, rearmMs: DAY_MS,
      title: theft ? `Key ${key} may have leaked` : `A secret of key ${key} that has ended is still tried`,
      text: theft
        ? `It is used as a stolen key is: ${signs.join('; ')}. If that was not you: ${way}.`
        : 'It was replaced, revoked or has expired, and calls with it are refused. Either an app was not given the new one, or somebody has it who should not.',
      facts: [{ label: 'Key', value: key }, ...facts.map((value, index) => ({ label: `Sign ${index + 1}`, value }))],
      value: facts.length, threshold: 2, unit: 'count', notify,
    };
  });
}

const MANY_CALLS = 50;
/** So many days must a key have been in use before the hours of the day say anything. */
const LEAST_DAYS = 7;

function usedOddly(activity: KeyActivity | undefined, habit: KeyHabit | null, now: number): string[] {
  if (activity === undefined) return [];
  const { calls, rejected, models } = activity;
  const strange = habit === null ? [] : models.filter((model) => !habit.models.has(model));
  const hour = Math.floor(now / HOUR_MS) % 24;
  const near = [hour - 2, hour - 1, hour, hour + 1].map((at) => (at + 24) % 24);
  const busier = habit !== null && calls > MANY_CALLS && calls > 10 * habit.busiestHour;
  const atNight = habit !== null && calls > MANY_CALLS && habit.days >= LEAST_DAYS && !near.some((at) => habit.hoursOfDay.has(at));
  return [
    models.length >= 5 && rejected / calls >= 0.5 ? `${models.length} models, ${percent(rejected / calls)} of the calls refused` : null,
    strange.length >= 2 ? `${strange.length} models that it never called before` : null,
    busier ? `${calls} calls in an hour; its busiest had ${habit.busiestHour}` : atNight ? `${calls} calls at an hour of the day at which it is never used` : null,
  ].filter((sign) => sign !== null);
}

function comesFromElsewhere(news: KeyNews | undefined): string[] {
  if (news === undefined) return [];
  const { networks, clients, clientCount } = news;
  return [
    networks > 0 ? `calls from ${networks === 1 ? 'a network' : `${networks} networks`} that it never came from` : null,
    clientCount > 0 ? `calls with ${clients.length > 0 ? clients.join(', ') : 'a client'}, which it never used` : null,
  ].filter((sign) => sign !== null);
}
