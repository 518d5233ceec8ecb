// web/pages/requests/told-limits.tsx: what the provider said of its limits in the headers of its answers to one call.

import type { AttemptRow, RequestAnswer } from '../../../server/http/admin/wire.ts';
import { duration, fromNow, percent, timeOfDay, whole } from '../../format.ts';
import { zone } from '../../state/period.ts';
import { DIMENSIONS } from '../limits/figures.ts';

/** One part for each try that was answered. */
export function ToldLimits({ answer: { request, attempts } }: { answer: RequestAnswer }) {
  const told = attempts.filter((one) => one.limits !== null);
  if (told.length === 0) return <p class="muted">{whyNone(request, attempts)}</p>;
  return <>{told.map((one) => <OfAttempt key={one.number} attempt={one} named={attempts.length > 1} />)}</>;
}

function whyNone({ outcome }: RequestAnswer['request'], attempts: readonly AttemptRow[]): string {
  if (outcome === null) return 'The call is still in flight.';
  if (outcome === 'refused') return 'The call was not sent, so the provider told of none.';
  if (attempts.length === 0) return 'No answer to this call alone is known: it came out of a batch, or was cut off with the gateway.';
  if (attempts.every((one) => one.status === null)) return 'No answer came that could have told of them.';
  return 'None are kept: they are read of answers to messages only, and earlier versions kept none.';
}

function OfAttempt({ attempt: { number, started_at: startedAt, headers_ms: headersMs, limits }, named }: { attempt: AttemptRow; named: boolean }) {
  if (limits === null) return null;
  const answeredAt = Date.parse(startedAt) + (headersMs ?? 0);
  return (
    <>
      {named && <p class="note"><strong>{number}.</strong></p>}
      {limits.retry_after_s !== null && <p class="note">The provider asked to be left alone for <strong>{duration(limits.retry_after_s * 1000)}</strong> (<code>retry-after</code>).</p>}
      {limits.rows.length === 0
        ? <p class="muted">The provider told of no limit with this answer.</p>
        : (
          <div class="scroll-x" tabIndex={0} role="region" aria-label={named ? `Limits told with try ${number}` : 'Limits told with the answer'}>
            <table class="cost-lines told-limits">
              <thead><tr><th scope="col">A minute</th><th scope="col" class="figure">Left</th><th scope="col" class="figure">Full again</th></tr></thead>
              <tbody>
                {limits.rows.map((row) => (
                  <tr key={row.dimension}>
                    <th scope="row">{DIMENSIONS[row.dimension]}</th>
                    <td class="figure">{whole(row.remaining)} <span class="muted">of {whole(row.limit)}{row.limit > 0 && <span class="wide-only">, {percent(row.remaining / row.limit)}</span>}</span></td>
                    <td class="figure">{row.reset_at === null ? <span class="muted">not told</span> : <span title={timeOfDay(Date.parse(row.reset_at), zone.value)}>{fullAgain(Date.parse(row.reset_at), answeredAt)}</span>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
    </>
  );
}

/** Seen from the answer; the provider tells it to the second. */
const fullAgain = (resetAt: number, answeredAt: number): string => (resetAt - answeredAt < 1_000 ? 'at once' : fromNow(resetAt, answeredAt));
