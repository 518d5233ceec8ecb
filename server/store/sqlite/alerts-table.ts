// server/store/sqlite/alerts-table.ts: where alerts stand, what is to be told of them, and every try to tell it.

import type { Database } from 'better-sqlite3';
import type { AlertChanges, AlertsKept, AlertState, Delivery, KeyMark, OutboxMessage } from '../../domain/alert.ts';
import { DAY_MS } from '../../domain/durations.ts';
import { epochMs } from '../../domain/ids.ts';
import type { Silence } from '../../domain/silence.ts';
import type { AlertsOp } from './operations.ts';

/** Tries are kept for as long as anyone asks who was told. */
const DELIVERIES_KEPT_MS = 90 * DAY_MS;
const MESSAGES_KEPT_MS = 7 * DAY_MS;
const SILENCES_KEPT_MS = 90 * DAY_MS;
const KEY_MARKS_KEPT_MS = 90 * DAY_MS;
const DELIVERIES_LOADED = 500;

export interface AlertsTable {
  /** Runs inside the writer's transactions; the same changes twice are as once. */
  apply(op: AlertsOp): void;
  load(): AlertsKept;
}

interface DeliveryRow extends Omit<Delivery, 'at' | 'nextAt'> {
  readonly at: number;
  readonly next_at: number | null;
}

export function alertsTableOf(db: Database): AlertsTable {
  const putState = db.prepare('INSERT INTO alert_state (fingerprint, rule, state, updated_at, content) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at, content = excluded.content');
  const dropState = db.prepare('DELETE FROM alert_state WHERE fingerprint = ?');
  const putMessage = db.prepare('INSERT INTO alert_message (id, channel, state, due_at, content) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state, due_at = excluded.due_at, content = excluded.content');
  const putDelivery = db.prepare('INSERT INTO alert_delivery (id, message, channel, rule, at, attempt, result, status, ms, detail, next_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING');
  const putSilence = db.prepare('INSERT INTO alert_silence (id, until, content) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET content = excluded.content');
  const putKeyMark = db.prepare('INSERT INTO key_mark (key, kind, mark, first_at, last_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)');
  const dropKeyMarks = db.prepare('DELETE FROM key_mark WHERE last_at < ?');
  const dropSilences = db.prepare('DELETE FROM alert_silence WHERE until < ?');
  const dropDeliveries = db.prepare('DELETE FROM alert_delivery WHERE at < ?');
  const dropMessages = db.prepare("DELETE FROM alert_message WHERE due_at < ? AND state NOT IN ('gathering', 'held', 'sending')");
  const silences = db.prepare<[], string>('SELECT content FROM alert_silence ORDER BY until').pluck();
  const keyMarks = db.prepare<[], KeyMark>('SELECT key, kind, mark, first_at AS firstAt, last_at AS lastAt FROM key_mark');
  const states = db.prepare<[], string>('SELECT content FROM alert_state').pluck();
  const messages = db.prepare<[], string>("SELECT content FROM alert_message WHERE state IN ('gathering', 'held', 'sending') ORDER BY due_at").pluck();
  const deliveries = db.prepare<[number], DeliveryRow>('SELECT id, message, channel, rule, at, attempt, result, status, ms, detail, next_at FROM alert_delivery ORDER BY at DESC, id DESC LIMIT ?');

  return {
    apply([, text, at]) {
      const changes = JSON.parse(text) as AlertChanges;
      for (const state of changes.states) putState.run(state.fingerprint, state.rule, state.state, state.updatedAt, JSON.stringify(state));
      for (const fingerprint of changes.forgotten) dropState.run(fingerprint);
      for (const message of changes.messages) putMessage.run(message.id, message.channel, message.state, message.dueAt, JSON.stringify(message));
      for (const d of changes.deliveries) putDelivery.run(d.id, d.message, d.channel, d.rule, d.at, d.attempt, d.result, d.status, Math.round(d.ms), d.detail, d.nextAt);
      for (const silence of changes.silences) putSilence.run(silence.id, silence.until, JSON.stringify(silence));
      if (changes.silences.length > 0) dropSilences.run(at - SILENCES_KEPT_MS);
      for (const { key, kind, mark, firstAt, lastAt } of changes.keyMarks) putKeyMark.run(key, kind, mark, firstAt, lastAt);
      if (changes.keyMarks.length > 0) dropKeyMarks.run(at - KEY_MARKS_KEPT_MS);
      if (changes.deliveries.length === 0) return;
      dropDeliveries.run(at - DELIVERIES_KEPT_MS);
      dropMessages.run(at - MESSAGES_KEPT_MS);
    },
    load: () => ({
      states: states.all().map((content) => JSON.parse(content) as AlertState),
      silences: silences.all().map((content) => JSON.parse(content) as Silence),
      keyMarks: keyMarks.all(),
      messages: messages.all().map((content) => JSON.parse(content) as OutboxMessage),
      deliveries: deliveries.all(DELIVERIES_LOADED).map(({ at, next_at, ...row }) => ({ ...row, at: epochMs(at), nextAt: next_at === null ? null : epochMs(next_at) })),
    }),
  };
}
