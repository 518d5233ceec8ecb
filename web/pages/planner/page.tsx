// web/pages/planner/page.tsx: what will it cost, and what do we get back?

import { useEffect, useState } from 'preact/hooks';
import type { PlanAnswer, PricesAnswer } from '../../../server/http/admin/wire.ts';
import { useUsage } from '../../parts/ask-usage.ts';
import { Answered } from '../../parts/panel.tsx';
import { ask, Failure, useAsk, type Asked } from '../../server.ts';
import { addressWith, go, parameter } from '../../state/location.ts';
import { now } from '../../state/period.ts';
import { dayMs } from '../../state/zone.ts';
import { workflowKey } from '../../figures.ts';
import { Outcome } from './outcome.tsx';
import { bodyOf, taskFrom, taskLike, taskText, type Task, type TaskField } from './task.ts';

/** Typing rests this long before the server is asked. */
const RESTS_MS = 250;
const SEED_DAYS = 30;

function usePlan(task: Task): Asked<PlanAnswer> {
  const body = JSON.stringify(bodyOf(task));
  const [state, setState] = useState<{ body: string; data: PlanAnswer | null; failure: Failure | null }>({ body: '', data: null, failure: null });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(() => {
      ask<PlanAnswer>('/api/plan', { method: 'POST', body, signal: abort.signal }).then(
        (data) => setState({ body, data, failure: null }),
        (cause: unknown) => {
          if (!abort.signal.aborted) setState((before) => ({ body: before.body, data: before.data, failure: cause instanceof Failure ? cause : new Failure(0, 'unexpected', String(cause)) }));
        },
      );
    }, RESTS_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [body, tries]);
  return { data: state.data, stale: state.body !== body, failure: state.failure, retry: () => setTries((n) => n + 1) };
}

export function Planner() {
  const task = taskFrom(parameter('task'));
  const prices = useAsk<PricesAnswer>('/api/prices', 'prices');
  const plan = usePlan(task);
  const models = [...new Set([...(prices.data?.rows ?? []).filter((row) => row.in_force).map((row) => row.model), task.model])].toSorted();
  const set = (field: TaskField, value: string) => go(addressWith({ task: taskText({ ...task, [field]: value }) }), 'replace');
  const field = (name: string, of: TaskField, unit?: string, hint?: string) => (
    <label class="field" title={hint}>
      <span>{name}</span>
      <span class="field-input"><input type="text" inputMode="decimal" value={task[of]} onInput={(event) => set(of, event.currentTarget.value)} />{unit && <span class="muted">{unit}</span>}</span>
    </label>
  );
  return (
    <div class="plan">
      <form class="panel plan-form" aria-label="The task" onSubmit={(event) => event.preventDefault()}>
        <h2>The task</h2>
        <Seed />
        <label class="field">
          <span>Model</span>
          <span class="field-input"><select value={task.model} onChange={(event) => set('model', event.currentTarget.value)}>{models.map((model) => <option key={model} value={model}>{model}</option>)}</select></span>
        </label>
        {field('Calls', 'calls', 'a day')}
        {field('Days', 'days', 'a month')}
        {field('Prompt', 'input', 'tokens', 'One whole prompt, the cached part included')}
        {field('Answer', 'output', 'tokens')}
        <h3>Caching and batches</h3>
        {field('Cached part', 'prefix', 'tokens', 'The part of the prompt that is the same every time and marked for caching')}
        <label class="field">
          <span>Kept for</span>
          <span class="field-input"><select value={task.ttl} onChange={(event) => set('ttl', event.currentTarget.value)}><option value="5m">5 minutes</option><option value="1h">1 hour</option></select></span>
        </label>
        {field('While busy', 'hourly', 'calls an hour', 'How thick the calls come: decides whether the cached part is still there. Spread over the day unless told.')}
        {field('In batches', 'batch', '% of calls')}
        <h3>By hand</h3>
        {field('It takes', 'minutes', 'minutes')}
        {field('An hour costs', 'rate', '$')}
        <p><button type="button" class="quiet" onClick={() => go(addressWith({ task: null }))}>Start over</button></p>
      </form>
      <div class="plan-outcome" aria-busy={plan.stale}>
        <Answered asked={plan} skeleton="list">{(answer) => <Outcome answer={answer} prefix={Number(task.prefix) > 0} onModel={(model) => go(addressWith({ task: taskText({ ...task, model }) }))} />}</Answered>
      </div>
    </div>
  );
}

/** Fills the form with what a workflow did over the last 30 days, with the model it spends the most on. */
function Seed() {
  const over = { from: now.value - SEED_DAYS * dayMs, to: now.value };
  const flows = useUsage('workspace,workflow', over, 'plan-flows');
  const models = useUsage('workspace,workflow,model', over, 'plan-models');
  if (!flows.data || flows.data.rows.length === 0) return null;
  const fill = (key: string) => {
    const row = flows.data!.rows.find((one) => workflowKey(one) === key);
    // Rows come with the dearest first.
    const model = models.data?.rows.find((one) => workflowKey(one) === key && one.model)?.model;
    const task = row && taskLike(row, model ?? taskFrom(null).model, SEED_DAYS);
    if (task) go(addressWith({ task: taskText(task) }));
  };
  return (
    <label class="field">
      <span>Like</span>
      <span class="field-input">
        <select value="" onChange={(event) => fill(event.currentTarget.value)}>
          <option value="">a workflow of yours…</option>
          {flows.data.rows.map((row) => <option key={workflowKey(row)} value={workflowKey(row)}>{workflowKey(row)}</option>)}
        </select>
      </span>
    </label>
  );
}
