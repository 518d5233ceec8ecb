// web/pages/overview/movers.tsx: what moved the spend against the period before, and whether by more calls or by dearer ones.

import type { UsageAnswer } from '../../../server/http/admin/wire.ts';
import { change, dollarsForDrawing, exactMoney, money, nanos, shortMoney } from '../../format.ts';
import { Swatch } from '../../parts/marks.tsx';
import { slotsFor } from '../../charts/palette.ts';
import { follow } from '../../state/location.ts';
import { compared, comparedName } from '../../state/period.ts';
import { requestsOf } from './main-chart.tsx';
import { GROUP_WORDS, nameOf, valueIn, type Group } from './measures.ts';

interface Mover {
  readonly value: string | null;
  readonly now: bigint;
  readonly before: bigint;
  readonly calls: number;
  readonly callsBefore: number;
}

function sum(answer: UsageAnswer, by: Group): Map<string | null, { cost: bigint; calls: number }> {
  const sums = new Map<string | null, { cost: bigint; calls: number }>();
  for (const row of answer.rows) {
    const one = sums.get(valueIn(row, by)) ?? { cost: 0n, calls: 0 };
    sums.set(valueIn(row, by), { cost: one.cost + nanos(row.cost_usd), calls: one.calls + row.requests });
  }
  return sums;
}

const size = (amount: bigint): bigint => (amount < 0n ? -amount : amount);

/** The five that rose and the five that fell the most, in dollars; without a comparison, the eight dearest. */
export function moversOf(answer: UsageAnswer, before: UsageAnswer | null, by: Group): Mover[] {
  const now = sum(answer, by);
  const past = before ? sum(before, by) : new Map<string | null, { cost: bigint; calls: number }>();
  const all = [...new Set([...now.keys(), ...past.keys()])].map((value) => ({ value, now: now.get(value)?.cost ?? 0n, before: past.get(value)?.cost ?? 0n, calls: now.get(value)?.calls ?? 0, callsBefore: past.get(value)?.calls ?? 0 }));
  const rank = (weight: (mover: Mover) => bigint) => all.toSorted((a, b) => (weight(b) > weight(a) ? 1 : -1)).filter((mover) => weight(mover) > 0n);
  if (!before) return rank((mover) => mover.now).slice(0, 8);
  return [...rank((mover) => mover.now - mover.before).slice(0, 5), ...rank((mover) => mover.before - mover.now).slice(0, 5).reverse()];
}

/** Which part of a change more calls explain at the old cost of a call, and which part the cost of a call. */
function cause({ now, before, calls, callsBefore }: Mover): string {
  if (before === 0n || callsBefore === 0) return 'new';
  if (now === 0n || calls === 0) return 'stopped';
  const volume = (Number(before) / callsBefore) * (calls - callsBefore);
  const rest = Number(now - before) - volume;
  if (Math.abs(volume) > 2 * Math.abs(rest)) return calls > callsBefore ? 'more calls' : 'fewer calls';
  if (Math.abs(rest) > 2 * Math.abs(volume)) return rest > 0 ? 'dearer calls' : 'cheaper calls';
  return 'both';
}

function relative({ now, before }: Mover): string {
  const { text, direction } = change(Number(now), Number(before), true);
  if (before === 0n) return 'new';
  return direction === 'flat' ? '<0.5%' : `${direction === 'up' ? '+' : '−'}${text}`;
}

export function Movers({ answer, before, by }: { answer: UsageAnswer; before: UsageAnswer | null; by: Group }) {
  const past = compared.value ? before : null;
  const movers = moversOf(answer, past, by);
  const slots = slotsFor(by, movers.map((mover) => nameOf(by, mover.value)));
  const most = movers.reduce((top, mover) => (size(mover.now - mover.before) > top ? size(mover.now - mover.before) : top), 1n);
  return (
    <section class="panel" aria-label="What moved">
      <header class="panel-head"><h2>{past ? 'What moved' : `Dearest by ${by}`}</h2>{past && <span class="muted">against {comparedName.value}</span>}</header>
      {movers.length === 0 ? (
        <p class="calm">Nothing moved.</p>
      ) : (
        <div class="scroll-x" tabIndex={0} role="region" aria-label="What moved, as a table">
          <table class="movers">
            <thead>
              <tr>
                <th scope="col">{GROUP_WORDS[by]}</th>
                {past && <th scope="col" class="figure narrow-off">Before</th>}
                <th scope="col" class="figure">Now</th>
                {past && <th scope="col" class="figure">Change</th>}
                {past && <th scope="col" class="wide-only" title="More or fewer calls, or a call costing more or less; both where neither explains it alone">Why</th>}
              </tr>
            </thead>
            <tbody>
              {movers.map((mover, i) => {
                const to = requestsOf(by, mover.value);
                const moved = mover.now - mover.before;
                const name = nameOf(by, mover.value);
                return (
                  <tr key={name}>
                    <th scope="row"><span class="named" title={name}><Swatch slot={slots[i]!} /> {to ? <a href={to} onClick={follow}>{name}</a> : <span>{name}</span>}</span></th>
                    {past && <td class="figure muted narrow-off" title={exactMoney(mover.before)}>{shortMoney(mover.before)}</td>}
                    <td class="figure" title={exactMoney(mover.now)}>{shortMoney(mover.now)}</td>
                    {past && (
                      <td class="figure" title={exactMoney(moved)}>
                        <span class="moved">
                          <span class="moved-track" aria-hidden="true"><i class={moved > 0n ? 'up' : 'down'} style={{ width: `${(dollarsForDrawing(size(moved)) / dollarsForDrawing(most)) * 50}%` }} /></span>
                          <span>{moved > 0n ? '+' : ''}{money(moved)}</span>
                          <span class="muted moved-share">{relative(mover)}</span>
                        </span>
                      </td>
                    )}
                    {past && <td class="muted wide-only">{cause(mover)}</td>}
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
