// server/alert/hush.ts: what becomes of an alert's message under a silence: kept back while it lasts, told when it is over and the alert still fires. Pure.

import { isActive, type AlertState } from '../domain/alert.ts';
import type { EpochMs } from '../domain/ids.ts';
import { silenceOf, type Silence } from '../domain/silence.ts';
import { severityTold } from './machine.ts';
import type { Told } from './round.ts';

/** The state whose beginning or rise is kept back, or null: it is told. An end is told where its beginning was, silence or not, so that no incident stays open at a receiver. */
export function keptBack({ event, state, before }: Told, silences: readonly Silence[], now: EpochMs): AlertState | null {
  const silence = event === 'resolved' ? null : silenceOf(silences, state, now);
  // A rise of what was told before the silence is still to be told the end of.
  return silence === null ? null : { ...state, silence: silence.id, announced: event === 'raised' && before?.announced === true, lastSentAt: before?.lastSentAt ?? null };
}

/** A state whose silence is over, and whether it is told now; null: nothing changes. Who took it on, or saw it end, needs no message. */
export function released(state: AlertState, silences: readonly Silence[], now: EpochMs): { readonly state: AlertState; readonly told: boolean } | null {
  if (state.silence == null) return null;
  const silence = isActive(state) ? silenceOf(silences, state, now) : null;
  if (silence !== null) return silence.id === state.silence ? null : { state: { ...state, silence: silence.id }, told: false };
  const told = state.state === 'firing';
  return { state: { ...state, silence: null, ...(told ? { announced: true, toldSeverity: !state.announced ? state.text.severity : severityTold(state), lastSentAt: now } : {}) }, told };
}
