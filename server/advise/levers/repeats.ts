// server/advise/levers/repeats.ts: calls that were made before: an answer that was there already, and tries that a later one replaced.

import { HOUR_MS, MINUTE_MS } from '../../domain/durations.ts';
import type { LeverWatch, Seen } from '../seen.ts';

/** An identical body within so long could have been answered from the first answer. */
const REPEAT_MS = 24 * HOUR_MS;
/** A try that failed or was cut, and its replacement. */
const SUPERSEDED_MS = 10 * MINUTE_MS;
const SWEEP_EVERY = 50_000;

interface Body {
  /** When an answer to it was last whole. */
  answeredAt: number;
  /** The first call with it, for the reader to compare. */
  cut: Seen[];
}

/**
 * Exact where usage came: the whole cost of every call but one of those with the same body in the same workflow. Repeats may be meant, where
 * several answers to one prompt are wanted.
 */
export function watchRepeats(): LeverWatch {
  const bodies = new Map<string, Body>();
  let seenCalls = 0;

  return {
    see(seen) {
      const { call, marks, group } = seen;
      if (marks === null || call.batch) return;
      if (++seenCalls % SWEEP_EVERY === 0) for (const [key, body] of bodies) if (body.answeredAt + REPEAT_MS < call.at && body.cut.every((other) => other.call.at + SUPERSEDED_MS < call.at)) bodies.delete(key);
      const key = `${group.workspace}/${group.workflow}/${marks.body}`;
      let body = bodies.get(key);
      if (body === undefined) bodies.set(key, (body = { answeredAt: -Infinity, cut: [] }));
      if (call.outcome !== 'ok') {
        if (call.cost > 0) body.cut.push(seen);
        return;
      }
      for (const other of body.cut) if (other.call.at + SUPERSEDED_MS >= call.at) other.group.claim('superseded_tries').add(other, other.call.cost, other.call.cost);
      body.cut = [];
      if (body.answeredAt + REPEAT_MS >= call.at) {
        seen.needless = true;
        group.claim('repeated_calls').add(seen, call.cost, call.cost);
      } else body.answeredAt = call.at;
    },
    end: () => undefined,
  };
}
