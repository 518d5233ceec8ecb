// web/pages/overview/first-run.tsx: the first voice of empty: four steps to the first figures, and the first call is seen as it arrives.

import { useEffect } from 'preact/hooks';
import type { RequestsAnswer, StatusAnswer } from '../../../server/http/admin/wire.ts';
import { fullTime, money, nanos } from '../../format.ts';
import { OutcomeMark, Snippet } from '../../parts/marks.tsx';
import { refresh, useAsk } from '../../server.ts';
import { addressWith, follow } from '../../state/location.ts';
import { zone } from '../../state/period.ts';

function testCall(status: StatusAnswer): string {
  const key = status.access === 'keys' ? '$TOLLGATE_KEY' : status.provider_key_configured ? 'none-needed' : '$ANTHROPIC_API_KEY';
  return `curl ${status.base_url}/v1/messages \\
  -H "x-api-key: ${key}" \\
  -H "anthropic-version: 2023-06-01" \\
  -H "content-type: application/json" \\
  -d '{"model":"claude-haiku-4-5","max_tokens":32,"messages":[{"role":"user","content":"Say hello."}]}'`;
}

const FIRST_BUDGET = `budgets:
  - id: everything-month
    scope: { organization: true }
    limit_usd: 100
    period: month
    mode: soft          # only alerts; "hard" refuses
    alert_at: [50%, 80%, 100%]
`;

export function FirstRun({ status, onDone }: { status: StatusAnswer; onDone: () => void }) {
  const arrived = status.first_run.has_traffic;
  useEffect(() => {
    if (arrived) return;
    const timer = setInterval(refresh, 2_000);
    return () => clearInterval(timer);
  }, [arrived]);
  const first = useAsk<RequestsAnswer>(arrived ? '/api/requests?from=now-1d&limit=1' : null, 'first');
  const call = first.data?.rows[0];
  return (
    <section class="panel first-run" aria-label="First steps">
      <h2>Four steps to the first figures</h2>
      <ol class="steps">
        <li class="step">
          <h3>Point an app at Tollgate</h3>
          <p>One setting changes: the base URL. The SDKs read it from the environment.</p>
          <Snippet text={`export ANTHROPIC_BASE_URL=${status.base_url}`} what="the base URL setting" />
        </li>
        <li class={`step ${arrived ? 'done' : ''}`}>
          <h3>Make a call</h3>
          <p>From your app, or from here:</p>
          <Snippet text={testCall(status)} what="the test call" />
          <p class="seen" role="status">
            {arrived ? (
              <>
                <strong><span aria-hidden="true">✓ </span>The first call is here.</strong>{' '}
                {call && <>{call.model_served ?? call.model_requested ?? call.endpoint}, <OutcomeMark outcome={call.outcome} status={call.status} />, {money(nanos(call.cost_usd))}, {fullTime(Date.parse(call.admitted_at), zone.value)}. <a href={addressWith({ row: call.id }, 'requests')} onClick={follow}>Look at it</a></>}
              </>
            ) : (
              <><i class="waiting" aria-hidden="true" /> Waiting for the first call…</>
            )}
          </p>
        </li>
        <li class="step">
          <h3>Say which workflow a call belongs to</h3>
          <p>In the base URL, with no change of code. Spend, limits and budgets then stand for it by name.</p>
          <Snippet text={`export ANTHROPIC_BASE_URL=${status.base_url}/w/support/ticket-triage`} what="the base URL with a workflow" />
        </li>
        <li class={`step ${status.first_run.has_budgets ? 'done' : ''}`}>
          <h3>Set a first budget</h3>
          <p>In <code>{status.config.file}</code>; it is in force as soon as the file is saved.</p>
          <Snippet text={FIRST_BUDGET} what="the budget" />
        </li>
      </ol>
      {arrived && <button type="button" class="primary" onClick={onDone}>Show the overview</button>}
    </section>
  );
}
