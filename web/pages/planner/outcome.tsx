// web/pages/planner/outcome.tsx: what the task costs, what moves that, and what other models would take for it.

import type { PlanAnswer, PlanModelAnswer } from '../../../server/http/admin/wire.ts';
import { colourOf, slotsFor } from '../../charts/palette.ts';
import { compact, dayAndTime, exactMoney, money, nanos, percent, shortMoney } from '../../format.ts';
import { Listing, type Column } from '../../parts/listing.tsx';
import { Swatch } from '../../parts/marks.tsx';
import { KIND_WORDS, KINDS } from '../../parts/tokens.ts';
import { shade } from '../../shell/theme.ts';
import { zone } from '../../state/period.ts';
import { leversOf } from './task.ts';

const monthOf = (one: PlanModelAnswer): bigint => nanos(one.described.month_usd);

export function Outcome({ answer, prefix, onModel }: { answer: PlanAnswer; prefix: boolean; onModel: (model: string) => void }) {
  const own = answer.models[0];
  if (!own) return <p class="empty">No model to plan with: the price book has none in force.</p>;
  const cheapest = answer.models.reduce((best, one) => (monthOf(one) < monthOf(best) ? one : best), own);
  return (
    <>
      <section class="panel" aria-label="What it costs">
        <p class="plan-figure" title={exactMoney(monthOf(own))}>{shortMoney(monthOf(own))} <span class="muted">a month</span></p>
        <p class="lead">
          {shortMoney(nanos(own.described.year_usd))} a year of twelve such months, {money(nanos(own.described.call_usd))} a call, with <strong>{own.model}</strong>.{' '}
          {cheapest !== own && <>The cheapest, <strong>{cheapest.model}</strong>, would take {shortMoney(monthOf(cheapest))} a month; whether it is good enough, only a trial can tell.</>}
        </p>
        {answer.by_hand && (
          <p class="lead">
            By hand it takes {compact(answer.by_hand.hours_per_month)} hours a month
            {answer.by_hand.worth_month_usd !== null && own.saved_month_usd !== null && <>, worth {shortMoney(nanos(answer.by_hand.worth_month_usd))}: a net value of <strong>{shortMoney(nanos(own.saved_month_usd))}</strong> a month</>}.
          </p>
        )}
        <Kinds own={own} />
        {own.warnings.map((warning) => <p class="note warn" key={warning.code}><span aria-hidden="true">! </span>{warning.message}</p>)}
        <p class="note muted">Prices of {dayAndTime(Date.parse(answer.at), zone.value)}: <code>{own.price_version}</code>, {own.price_kind}.</p>
      </section>
      <Levers own={own} />
      <Table answer={answer} prefix={prefix} onModel={onModel} />
    </>
  );
}

function Kinds({ own }: { own: PlanModelAnswer }) {
  const slots = slotsFor('kind', KINDS);
  const kinds = own.described.kinds.map((one) => ({ ...one, cost: nanos(one.month_usd.slice(0, -3)), slot: slots[KINDS.indexOf(one.kind)]! })).filter((one) => one.cost > 0n);
  const all = kinds.reduce((sum, one) => sum + one.cost, 0n);
  return (
    <>
      <div class="plan-bar" aria-hidden="true">{kinds.map((one) => <i key={one.kind} style={{ flexGrow: Math.max(1, (Number(one.cost) / Number(all)) * 1_000), backgroundColor: colourOf(one.slot, shade.value) }} />)}</div>
      <ul class="legend">
        {kinds.map((one) => (
          <li key={one.kind}><span title={`${compact(one.tokens_per_month)} tokens a month`}><Swatch slot={one.slot} /><span class="legend-name">{KIND_WORDS[one.kind]}</span><span class="legend-figure">{shortMoney(one.cost)}</span><span class="muted legend-share">{percent(Number(one.cost) / Number(all))}</span></span></li>
        ))}
      </ul>
    </>
  );
}

function Levers({ own }: { own: PlanModelAnswer }) {
  const levers = leversOf(own);
  const size = (amount: bigint) => (amount < 0n ? -amount : amount);
  const most = Math.max(...levers.map((one) => Number(size(one.change))), 1);
  return (
    <section class="panel" aria-label="What moves it">
      <header class="panel-head"><h2>What moves it</h2><span class="muted">a month</span></header>
      <table class="causes">
        <thead><tr><th scope="col">If</th><th scope="col" class="figure">More or less</th></tr></thead>
        <tbody>
          {levers.map((one) => (
            <tr key={one.name}>
              <th scope="row">{one.name}</th>
              <td class="figure" title={exactMoney(one.change)}>
                <span class="moved-track wide" aria-hidden="true"><i class={one.change > 0n ? 'up' : 'down'} style={{ width: `${(Number(size(one.change)) / most) * 50}%` }} /></span>{' '}
                {one.change > 0n ? '+' : ''}{money(one.change)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Table({ answer, prefix, onModel }: { answer: PlanAnswer; prefix: boolean; onModel: (model: string) => void }) {
  const columns: Column<PlanModelAnswer>[] = [
    { key: 'model', name: 'Model', cell: (one) => <button type="button" class="as-link" onClick={() => onModel(one.model)} title="Plan with it">{one.model}</button> },
    { key: 'month', name: 'As told', figure: true, title: (one) => exactMoney(monthOf(one)), cell: (one) => <strong>{shortMoney(monthOf(one))}</strong> },
    { key: 'plain', name: 'Plain', figure: true, cell: (one) => shortMoney(nanos(one.plain.month_usd)) },
    ...(prefix ? [{ key: 'cached', name: 'Cached', figure: true, cell: (one: PlanModelAnswer) => (one.cached ? shortMoney(nanos(one.cached.month_usd)) : <span class="muted">too short</span>) }] : []),
    { key: 'batched', name: 'In batches', figure: true, cell: (one) => shortMoney(nanos(one.batched.month_usd)) },
    { key: 'year', name: 'A year', figure: true, cell: (one) => shortMoney(nanos(one.described.year_usd)) },
    { key: 'tokens', name: 'Tokens a call', figure: true, wide: true, title: () => "In the model's own tokens: newer ones make more of the same text", cell: (one) => `${compact(one.tokens_per_call.input)} + ${compact(one.tokens_per_call.output)}` },
  ];
  return (
    <section class="panel" aria-label="Models side by side">
      <header class="panel-head"><h2>Models side by side</h2><span class="muted">$ a month</span></header>
      <Listing caption="Models side by side, as a table" columns={columns} rows={answer.models} idOf={(one) => one.model} main />
    </section>
  );
}
