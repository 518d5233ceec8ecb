// web/pages/requests/drawer.tsx: one call in full: what it cost and why, its tries, what the rules said, its ids.

import { useEffect, useRef } from 'preact/hooks';
import type { AttemptRow, CostLineRow, DecisionRow, RequestAnswer } from '../../../server/http/admin/wire.ts';
import { duration, exactMoney, fullTime, money, nanos, outcomeWord, whole } from '../../format.ts';
import { Copy, OutcomeMark } from '../../parts/marks.tsx';
import { KIND_WORDS } from '../../parts/tokens.ts';
import { Answered } from '../../parts/panel.tsx';
import { useAsk } from '../../server.ts';
import { addressWith, FILTERS, follow } from '../../state/location.ts';
import { zone } from '../../state/period.ts';
import { closeRow } from './list.tsx';
import { PromptDiff } from './prompt-diff.tsx';
import { ToldLimits } from './told-limits.tsx';

export function Drawer({ id }: { id: string }) {
  const asked = useAsk<RequestAnswer>(`/api/requests/${encodeURIComponent(id)}`);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <aside class="drawer" aria-label="One request">
      <header class="drawer-head">
        <h2 ref={heading} tabIndex={-1}>Request</h2>
        {asked.data && <Copy text={JSON.stringify(asked.data, null, 2)} what="as JSON" label="Copy as JSON" />}
        <button type="button" class="quiet icon" onClick={closeRow} aria-label="Close">✕</button>
      </header>
      <Answered asked={asked} skeleton="list">{(answer) => <Detail answer={answer} />}</Answered>
    </aside>
  );
}

function Detail({ answer }: { answer: RequestAnswer }) {
  const { request: row } = answer;
  const admitted = Date.parse(row.admitted_at);
  return (
    <>
      <div class="drawer-sum">
        <p class="drawer-figure" title={exactMoney(nanos(row.cost_usd))}>{money(nanos(row.cost_usd))}</p>
        <p><OutcomeMark outcome={row.outcome} status={row.status} />{row.refusal && <> <code>{row.refusal}</code></>}{row.error_type && <> <code>{row.error_type}</code></>}</p>
        <p class="muted">{fullTime(admitted, zone.value)}</p>
      </div>

      <h3>Cost</h3>
      <CostLines answer={answer} />

      <h3>Time</h3>
      <Timeline row={row} />
      {answer.attempts.length > 0 && <Waterfall attempts={answer.attempts} admitted={admitted} />}

      <h3>Prompt and cache</h3>
      <PromptDiff id={row.id} admitted={admitted} />

      <h3>Limits at the provider</h3>
      <ToldLimits answer={answer} />

      <h3>Decisions</h3>
      {answer.decisions.length === 0 ? <p class="muted">No rule had anything to say.</p> : <ul class="decisions">{answer.decisions.map((decision) => <Decision key={decision.rule} decision={decision} />)}</ul>}

      <h3>Who and what</h3>
      <dl class="facts">
        <Fact name="Workspace" value={row.workspace} filter="workspace" />
        <Fact name="Workflow" value={row.workflow} filter="workflow" />
        <Fact name="User" value={row.user} filter="user" />
        <Fact name="Key" value={row.key_id} filter="key" />
        <Fact name="Session" value={row.session} filter="session" copy />
        <Fact name="Action" value={row.action} filter="action" copy />
        <Fact name="Trace" value={row.trace_id} filter="trace" copy />
        <Fact name="Endpoint" value={`${row.endpoint}${row.stream ? ', streamed' : ''}`} />
        <Fact name="Model asked for" value={row.model_requested} />
        <Fact name="Model served" value={row.model_served} filter="model" />
        <Fact name="Speed" value={answer.speed} />
        <Fact name="Service tier" value={answer.service_tier} />
        <Fact name="Inference" value={answer.inference_geo} />
        <Fact name="Stop reason" value={row.stop_reason} />
        <Fact name="Client's retry" value={row.client_retry ? String(row.client_retry) : null} />
        <Fact name="Tags" value={Object.entries(row.tags).map(([name, value]) => `${name}=${value}`).join(', ') || null} />
        <Fact name="Request id" value={row.id} copy />
        <Fact name="Provider's id" value={row.upstream_request_id} copy />
      </dl>
    </>
  );
}

/** Twelve places to what a person reads: per million tokens for tokens, per use for searches. */
function unitPrice(line: CostLineRow): string {
  if (line.kind === 'web_search' || line.kind === 'code_execution') return `${money(nanos(line.unit_price_usd.slice(0, -3)))} each`;
  // $0.000003000000 a token is $3 a million: shift the point by six places.
  const [dollars, places] = line.unit_price_usd.split('.') as [string, string];
  const millions = nanos(`${dollars}${places.slice(0, 6)}.${places.slice(6)}`);
  return `${money(millions)}/MTok`;
}

function CostLines({ answer }: { answer: RequestAnswer }) {
  const { request: row, cost_lines: lines } = answer;
  if (lines.length === 0) return <p class="muted">{answer.cost_note ?? 'Nothing was billed.'}</p>;
  const versions = [...new Set(lines.map((line) => line.price_version))];
  const models = new Set(lines.map((line) => line.model));
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="Cost lines">
      <table class="cost-lines">
        <thead><tr><th scope="col">Part</th><th scope="col" class="figure">Tokens</th><th scope="col" class="figure">Price</th><th scope="col" class="figure">Amount</th></tr></thead>
        <tbody>
          {lines.map((line) => (
            <tr key={line.kind + line.model + line.factors.join()}>
              <th scope="row">
                {KIND_WORDS[line.kind]}
                {models.size > 1 && <span class="muted"> {line.model}</span>}
                {line.factors.map((factor) => <span class="factor" key={factor}>{factor}</span>)}
              </th>
              <td class="figure">{whole(line.quantity)}</td>
              <td class="figure" title={`$${line.unit_price_usd} per ${line.kind === 'web_search' || line.kind === 'code_execution' ? 'use' : 'token'}`}>{unitPrice(line)}</td>
              <td class="figure exact">${line.amount_usd}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr><th scope="row" colSpan={3}>Cost, rounded up once{row.estimated && <span class="factor">estimated</span>}</th><td class="figure exact">{exactMoney(nanos(row.cost_usd))}</td></tr>
        </tfoot>
      </table>
      {answer.cost_note && <p class="note warn">{answer.cost_note}</p>}
      {row.estimated && row.estimate_method && <p class="note muted">Estimated: {row.estimate_method}.</p>}
      <p class="note muted">Price version {versions.map((version) => <code key={version}>{version} </code>)}{nanos(row.cache_savings_usd) !== 0n && <>· caching {nanos(row.cache_savings_usd) > 0n ? 'saved' : 'cost'} {money(nanos(row.cache_savings_usd)).replace('−', '')}</>}</p>
    </div>
  );
}

function Timeline({ row }: { row: RequestAnswer['request'] }) {
  return (
    <dl class="facts">
      <Fact name="First token" value={row.ttft_ms === null ? null : duration(row.ttft_ms)} />
      <Fact name="Duration" value={row.duration_ms === null ? null : duration(row.duration_ms)} />
      <Fact name="Spent in Tollgate" value={row.overhead_ms === null ? null : duration(row.overhead_ms)} />
      <Fact name="Held at the start" value={nanos(row.held_usd) > 0n ? money(nanos(row.held_usd)) : null} />
    </dl>
  );
}

function Waterfall({ attempts, admitted }: { attempts: readonly AttemptRow[]; admitted: number }) {
  const end = Math.max(...attempts.map((one) => Date.parse(one.started_at) + one.duration_ms), admitted + 1);
  const span = end - admitted;
  return (
    <ol class="waterfall" aria-label="Tries against the provider">
      {attempts.map((one) => {
        const start = Math.max(0, Date.parse(one.started_at) - admitted);
        const waited = Math.min(one.headers_ms ?? one.duration_ms, one.duration_ms);
        return (
          <li key={one.number}>
            <p>
              <strong>{one.number}.</strong> {outcomeWord(one.outcome)} {one.status ?? ''} {one.error_type && <code>{one.error_type}</code>}
              {one.failover && <span class="muted"> at {one.failover}</span>}
              <span class="muted"> {duration(one.duration_ms)}{one.headers_ms !== null && `, headers after ${duration(one.headers_ms)}`}{(one.client_wait_ms ?? 0) >= 1 && `, ${duration(one.client_wait_ms!)} of it for the client to take more`}</span>
            </p>
            <span class="waterfall-track" aria-hidden="true">
              <i class="waterfall-wait" style={{ left: `${(start / span) * 100}%`, width: `${Math.max(0.5, (waited / span) * 100)}%` }} />
              <i class={`waterfall-body ${one.outcome === 'ok' ? '' : 'bad'}`} style={{ left: `${((start + waited) / span) * 100}%`, width: `${Math.max(0.5, ((one.duration_ms - waited) / span) * 100)}%` }} />
            </span>
          </li>
        );
      })}
      <li class="waterfall-scale muted" aria-hidden="true"><span>0</span><span>{duration(span)}</span></li>
    </ol>
  );
}

const VERDICTS: Readonly<Record<DecisionRow['verdict'], { sign: string; word: string; tone: string }>> = {
  allow: { sign: '✓', word: 'allowed', tone: 'good' }, refuse: { sign: '✕', word: 'refused', tone: 'bad' },
  would_refuse: { sign: '!', word: 'would refuse', tone: 'warn' }, rewrite: { sign: '→', word: 'rewrote', tone: 'neutral' },
  would_rewrite: { sign: '!', word: 'would rewrite', tone: 'warn' },
};

function Decision({ decision }: { decision: DecisionRow }) {
  const verdict = VERDICTS[decision.verdict];
  return (
    <li>
      <span class={`outcome ${verdict.tone}`}><span class="outcome-sign" aria-hidden="true">{verdict.sign}</span>{verdict.word}</span>
      <code>{decision.rule}</code>
      {decision.detail && <span class="muted">{decision.detail}</span>}
    </li>
  );
}

function Fact({ name, value, filter, copy }: { name: string; value: string | null; filter?: keyof typeof FILTERS; copy?: boolean }) {
  if (value === null || value === '') return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {filter ? <a href={addressWith({ [FILTERS[filter]]: value })} onClick={follow} title="Filter by it">{value}</a> : <span>{value}</span>}
        {copy && <Copy text={value} what={name} />}
      </dd>
    </div>
  );
}
