// server/http/admin/routes-alerts.ts: what fires and who was told of it; acknowledging, testing a channel, and what would have fired.

import { ALERT_RULES, isActive, type AlertRule, type AlertState, type Delivery } from '../../domain/alert.ts';
import type { Standing } from '../../domain/budget.ts';
import type { VirtualKey } from '../../domain/directory.ts';
import { DAY_MS } from '../../domain/durations.ts';
import { epochMs, type EpochMs } from '../../domain/ids.ts';
import type { Settings } from '../../domain/settings.ts';
import { isSilencing, LONGEST_SILENCE_MS, MOST_SILENCES, silenceOf, type Silence } from '../../domain/silence.ts';
import { ruleYaml } from './alert-yaml.ts';
import { iso, isoOrNull } from './encode.ts';
import { AdminError, badBody, badQuery } from './errors.ts';
import { isAsked, NO_SUBJECT, pageOf, type Subject } from './list.ts';
import { noSuch, sinceAt } from './query.ts';
import { json, type Route } from './route.ts';
import * as wire from './wire.ts';

const TESTS_A_MINUTE = 5;
const LONGEST_REPLAY_MS = 366 * DAY_MS;
/** A replay reads every row of its time; two at once would keep everybody else's reports waiting. */
let replaying = false;
/** When each channel was tested in the last minute. */
const tests = new Map<string, readonly number[]>();

export const alertRoutes: readonly Route[] = [
  json({
    method: 'get',
    path: '/api/alerts',
    role: 'read',
    summary: 'Alert rules, which of them fire, and who was told.',
    description: 'Filters, `limit` and `cursor` are about `firing`, `pending` and `resolved`, which are one list here; the rest is always whole. An alert about a budget is left where the scope of the budget names one of the values of every filter given; one about a key, a workspace or a model, where that is it, or the key is of it. Without `limit` and `cursor` every alert comes, the newest first; with either they come by `fingerprint`, so that a page goes on where the one before ended, whatever fired or ended in between.',
    query: wire.AlertsQuery,
    name: 'Alerts',
    answer: wire.AlertsAnswer,
    async handle({ services, query, now }) {
      const settings = services.settings();
      const { alerts } = settings;
      const subjectOf = subjectsIn(settings, await services.keys.list());
      const { rows: states, nextCursor } = pageOf('alerts', services.alerts.states().filter((state) => isAsked(subjectOf(state), query)), ({ fingerprint }) => fingerprint, query);
      const silences = services.alerts.silences();
      const of = (...wanted: AlertState['state'][]) => states.filter(({ state }) => wanted.includes(state)).map((state) => alertRow(state, silences, now));
      return {
        at: iso(now),
        channels: alerts.channels.map(({ id, type, minSeverity, fallback }) => ({ id, type, min_severity: minSeverity, fallback })),
        rules: ALERT_RULES.map((rule) => ({ rule, enabled: isEnabled(rule, alerts), yaml: ruleYaml(rule, settings) })),
        firing: of('firing', 'acked'),
        pending: of('pending'),
        resolved: of('resolved'),
        delivering: alerts.channels.length > 0,
        waiting: services.alerts.waiting().map((m) => ({ message: m.id, channel: m.channel, state: m.state, due_at: iso(m.dueAt), attempts: m.attempts, notices: m.notices.length })),
        deliveries: services.alerts.deliveries().map(deliveryRow),
        silences: silencesShown(silences, now).map((silence) => silenceRow(silence, now)),
        next_cursor: nextCursor,
      };
    },
  }),
  json({
    method: 'post',
    path: '/api/alerts/acknowledge',
    role: 'write',
    summary: 'Says that somebody looks after an alert; it is not repeated then.',
    query: wire.NoQuery,
    body: wire.AcknowledgeBody,
    name: 'AcknowledgedAlert',
    answer: wire.AcknowledgeAnswer,
    async handle({ services, body, actor, now }) {
      const by = actor?.name ?? 'nobody';
      const state = await services.alerts.acknowledge(body.fingerprint, by);
      if (state === null) throw new AdminError(404, 'unknown_alert', noSuch('alert that fires', body.fingerprint, services.alerts.states().filter(({ state }) => state === 'firing' || state === 'acked').map(({ fingerprint }) => fingerprint)));
      await services.ledger.audit({ at: now, actor: by, action: 'alert.acknowledge', subject: state.fingerprint, detail: JSON.stringify({ incident: state.incident }) });
      return { alert: alertRow(state, services.alerts.silences(), now) };
    },
  }),
  json({
    method: 'post',
    path: '/api/alerts/silences',
    role: 'write',
    summary: 'Keeps back the messages of alerts that match, until a time. They fire and end as ever, and what still fires at the end is told then.',
    query: wire.NoQuery,
    body: wire.SilenceBody,
    name: 'Silence',
    answer: wire.SilenceAnswer,
    status: 201,
    async handle({ services, body, actor, now }) {
      const until = epochMs(Date.parse(body.until));
      if (until <= now) throw badBody('until: expected a time to come');
      if (until - now > LONGEST_SILENCE_MS) throw badBody('until: expected a time within 90 days; what is not wanted for longer is turned off in the config');
      const by = actor?.name ?? 'nobody';
      const silence = await services.alerts.silence({ rule: body.rule ?? null, scope: body.scope ?? null, until, reason: body.reason, actor: by });
      if (silence === null) throw new AdminError(409, 'too_many_silences', `${MOST_SILENCES} silences are in force already; end one, or turn a rule off in the config.`);
      await services.ledger.audit({ at: now, actor: by, action: 'alert.silence', subject: silence.id, detail: JSON.stringify({ rule: silence.rule, scope: silence.scope, until: body.until, reason: silence.reason }) });
      return { silence: silenceRow(silence, now) };
    },
  }),
  json({
    method: 'delete',
    path: '/api/alerts/silences/:id',
    role: 'write',
    summary: 'Ends a silence early; what it kept back and still fires is told.',
    query: wire.NoQuery,
    name: 'Silence',
    answer: wire.SilenceAnswer,
    async handle({ services, params, actor, now }) {
      const silence = await services.alerts.lift(params['id'] ?? '');
      if (silence === null) throw new AdminError(404, 'unknown_silence', noSuch('silence', params['id'] ?? '', services.alerts.silences().map(({ id }) => id)));
      await services.ledger.audit({ at: now, actor: actor?.name ?? 'nobody', action: 'alert.unsilence', subject: silence.id, detail: JSON.stringify({ rule: silence.rule, scope: silence.scope }) });
      return { silence: silenceRow(silence, now) };
    },
  }),
  json({
    method: 'post',
    path: '/api/alerts/test',
    role: 'write',
    summary: 'Sends a test to a channel, the way a real alert goes, or shows what would be sent. Five a minute to each channel.',
    query: wire.NoQuery,
    body: wire.AlertTestBody,
    name: 'AlertTest',
    answer: wire.AlertTestAnswer,
    async handle({ services, body, actor, now }) {
      const { channel, rule, severity, resolve, print } = body;
      if (!print && services.settings().alerts.channels.some(({ id }) => id === channel)) oneTestMore(channel, now);
      const result = await services.alerts.test({ channel, rule, severity, resolve, print });
      if (result === null) throw new AdminError(404, 'unknown_channel', noSuch('channel', channel, services.settings().alerts.channels.map(({ id }) => id), ' in the config'));
      const { payload, delivery } = result;
      if (delivery !== null) await services.ledger.audit({ at: now, actor: actor?.name ?? 'nobody', action: 'alert.test', subject: channel, detail: JSON.stringify({ rule, severity, resolve, result: delivery.result }) });
      return { payload, delivery: delivery === null ? null : deliveryRow(delivery) };
    },
  }),
  json({
    method: 'get',
    path: '/api/alerts/replay',
    role: 'read',
    summary: "What would have fired, by today's rules and budgets, over the rows of the ledger.",
    query: wire.AlertReplayQuery,
    name: 'AlertReplay',
    answer: wire.AlertReplayAnswer,
    async handle({ services, query, now }) {
      const since = sinceAt('since', query.since ?? '30d', now, services.settings().timezone);
      if (since >= now || now - since > LONGEST_REPLAY_MS) throw badQuery('since: expected a time of the past year');
      if (replaying) throw new AdminError(429, 'busy', 'Another replay is running; one is enough for the disk.', 10);
      replaying = true;
      try {
        const { rows, gaps } = await services.alerts.replay({ since, rule: query.rule ?? null });
        return { from: iso(since), to: iso(now), not_replayed: gaps.filter(({ whole }) => whole).map(({ rule }) => rule), gaps: gaps.map(({ rule, whole, why }) => ({ rule, whole, why })), rows: rows.map(({ at, event, rule, scope, severity, title }) => ({ at: iso(at), event, rule, scope, severity, title })) };
      } finally {
        replaying = false;
      }
    },
  }),
];

/** What alerts are about, as far as it has a name that calls are told apart by. A budget that is gone names nothing any more; of a key that is gone, only its own name is known. */
function subjectsIn({ budgets }: Settings, keys: readonly VirtualKey[]): (alert: Pick<AlertState, 'rule' | 'scope'>) => Subject {
  return ({ rule, scope }) => {
    switch (rule) {
      case 'budget': case 'budget_refusing': case 'pace': case 'forecast': return budgets.find(({ id }) => id === scope)?.scope ?? NO_SUBJECT;
      case 'anomaly': return { ...NO_SUBJECT, workspace: scope };
      case 'key_unused': case 'key_leak': {
        const key = keys.find(({ id }) => id === scope);
        return { ...NO_SUBJECT, key: scope, workspace: key?.workspace ?? null, workflow: key?.workflow ?? null };
      }
      case 'unpriced': return { ...NO_SUBJECT, model: scope };
      default: return NO_SUBJECT;
    }
  };
}

/** @throws AdminError 429 */
function oneTestMore(channel: string, now: EpochMs): void {
  const lately = (tests.get(channel) ?? []).filter((at) => Math.abs(now - at) < 60_000);
  if (lately.length >= TESTS_A_MINUTE) throw new AdminError(429, 'too_many_tests', `${TESTS_A_MINUTE} tests a minute are enough for a channel, and ${channel} has had them.`, 60);
  tests.set(channel, [...lately, now]);
}

/** How the thresholds of a budget stand, each with when it was reached. */
export function alertsOf(states: readonly AlertState[], { budget, period }: Standing): wire.BudgetRow['alerts'] {
  const state = states.find((s) => s.rule === 'budget' && s.scope === budget.id && s.period === period.from && isActive(s));
  return budget.alertAt.map((at, index) => {
    const firing = state !== undefined && state.tier > index;
    return { at, state: firing ? 'firing' : 'ok', since: firing ? isoOrNull(state.reachedAt[index] ?? null) : null };
  });
}

const SILENCES_OVER_SHOWN = 50;
const silencesShown = (silences: readonly Silence[], now: EpochMs): readonly Silence[] => [
  ...silences.filter((silence) => isSilencing(silence, now)).sort((a, b) => a.until - b.until),
  ...silences.filter((silence) => !isSilencing(silence, now)).slice(0, SILENCES_OVER_SHOWN),
];

const silenceRow = (s: Silence, now: EpochMs): wire.SilenceRow => ({
  id: s.id, rule: s.rule, scope: s.scope, created_at: iso(s.createdAt), until: iso(s.until), reason: s.reason, actor: s.actor, lifted_at: isoOrNull(s.liftedAt), in_force: isSilencing(s, now),
});

function silencedBy(state: AlertState, silences: readonly Silence[], now: EpochMs): wire.AlertFiring['silenced'] {
  const silence = state.state === 'resolved' ? null : silenceOf(silences, state, now);
  return silence === null ? null : { id: silence.id, until: iso(silence.until) };
}

const alertRow = (s: AlertState, silences: readonly Silence[], now: EpochMs): wire.AlertFiring => ({
  fingerprint: s.fingerprint, incident: s.incident, rule: s.rule, scope: s.scope, state: s.state, severity: s.text.severity, tier: s.tier,
  since: isoOrNull(s.since), resolved_at: isoOrNull(s.resolvedAt), acknowledged_by: s.ackedBy,
  value: s.text.value, threshold: s.text.threshold, peak: s.peak, unit: s.text.unit, title: s.text.title, text: s.text.text,
  facts: s.text.facts.map(({ label, value }) => ({ label, value })), notify: s.text.notify === null ? null : [...s.text.notify],
  silenced: silencedBy(s, silences, now),
});

const deliveryRow = (d: Delivery): wire.AlertDelivery => ({
  id: d.id, message: d.message, at: iso(d.at), rule: d.rule, channel: d.channel, attempt: d.attempt, result: d.result, status: d.status, duration_ms: d.ms, detail: d.detail, next_at: isoOrNull(d.nextAt),
});

function isEnabled(rule: AlertRule, { rules, anomaly }: Settings['alerts']): boolean {
  switch (rule) {
    case 'budget': return true;
    case 'anomaly': return anomaly.enabled;
    case 'first_token': return rules.firstToken.enabled;
    case 'provider_cap': return rules.providerCap.enabled;
    case 'key_unused': return rules.keyUnused.enabled;
    case 'key_leak': return rules.keyLeak.enabled;
    case 'no_traffic': return rules.noTraffic.enabled;
    case 'budget_refusing': return rules.budgetRefusing.enabled;
    case 'usage_missing': return rules.usageMissing.enabled;
    case 'price_book': return rules.priceBook.enabled;
    default: return rules[rule].enabled;
  }
}
