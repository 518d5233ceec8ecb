// web/pages/overview/movers.tsx: what moved the spend against the period before, and whether by more calls or by dearer ones.

import type { UsageAnswer } from '../../../server/http/admin/wire.ts';
import { dollarsForDrawing, exactMoney, money, shortMoney } from '../../format.ts';
import { Swatch } from '../../parts/marks.tsx';
import { slotsFor } from '../../charts/palette.ts';
import { follow } from '../../state/location.ts';
import { comparedName } from '../../state/period.ts';
import { requestsOf } from './main-chart.tsx';
import { GROUP_WORDS, nameOf, type Group } from './measures.ts';
import { causesFor, inFull, moversOf, relative, size, why } from './moves.ts';

/** @param models usage by group and model, of now and before: what the causes are worked out from; null while they are not known */
export function Movers({ answer, before: past, by, models }: { answer: UsageAnswer; before: UsageAnswer | null; by: Group; models: { now: UsageAnswer; before: UsageAnswer } | null }) {
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
              </tr>
            </thead>
            <tbody>
              {movers.map((mover, i) => {
                const to = requestsOf(by, mover.value);
                const moved = mover.now - mover.before;
                const name = nameOf(by, mover.value);
                const causes = causesFor(mover, models?.now.rows ?? null, models?.before.rows ?? null, by);
                const because = past ? why(mover, causes) : '';
                return [
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
                  </tr>,
                  because && (
                    <tr key={`${name}: why`} class="why">
                      <td class="muted" colSpan={4} title={`${causes ? `${inFull(causes)} ` : ''}The parts add up to the change.`}><span class="unseen">Why {name} moved: </span>{because}</td>
                    </tr>
                  ),
                ];
              })}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
