// web/pages/policies/trial.tsx: what rules that only record would have done, and how a rule is put on trial.

import type { BudgetsAnswer, PoliciesAnswer, VerdictsAnswer } from '../../../server/http/admin/wire.ts';
import { TableSwitch } from '../../charts/chart.tsx';
import { bucketLabelFormats, percent, whole } from '../../format.ts';
import { verdictsCsv, useVerdicts } from '../../parts/ask-usage.ts';
import { Export, Listing, type Column } from '../../parts/listing.tsx';
import { Snippet } from '../../parts/marks.tsx';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { follow } from '../../state/location.ts';
import { bucketUnit, periodParameters, range, reportingZone, zone } from '../../state/period.ts';
import { callsOf, policyWord, VerdictBars } from './blocks.tsx';
import { ON_TRIAL, onTrial, spokenBy, type Spoken } from './figures.ts';

const EXAMPLE = `workspaces:
  - id: support
    models: { allow: ["claude-haiku-4-5*"], dry_run: true }
    limits: { requests_per_minute: 600, dry_run: true }
`;
const LISTED = 6;

export function Trial({ asked, policies, budgets }: { asked: Asked<VerdictsAnswer>; policies: PoliciesAnswer | null; budgets: BudgetsAnswer | null }) {
  const where = useVerdicts('workspace,workflow', range.value, 'trial-where', { verdict: ON_TRIAL });
  const unit = bucketUnit.value;
  const tools = <div class="panel-tools"><TableSwitch /><Export to={verdictsCsv(unit, range.value, { verdict: ON_TRIAL })} name="would-have-been-blocked.csv" /></div>;
  return (
    <Panel title={`Would have been blocked, per ${unit}`} asked={asked} skeleton="chart" class="low" aside={tools}>
      {(answer) => {
        const spoken = spokenBy(answer.rows, ON_TRIAL);
        if (spoken.length === 0) return policies && budgets && <Nothing rules={onTrial(policies, budgets)} />;
        const times = spoken.reduce((sum, one) => sum + one.calls, 0);
        return (
          <>
            <p class="note">
              Dry runs and soft budgets would have stopped or changed a call <strong>{whole(times)}</strong> {times === 1 ? 'time' : 'times'}{spoken.length > 1 ? <>, most often <code>{policyWord(spoken[0]!.policy)}</code> ({percent(spoken[0]!.calls / times)})</> : <>, all by <code>{policyWord(spoken[0]!.policy)}</code></>}. Nothing was stopped.
            </p>
            <VerdictBars kind="trial" title="Calls that would have been blocked" spoken={spoken} verdicts={ON_TRIAL} />
            <Rules spoken={spoken} where={where.data} />
          </>
        );
      }}
    </Panel>
  );
}

/** @param rules that are on trial in the configuration that is in force */
function Nothing({ rules }: { rules: readonly string[] }) {
  if (rules.length > 0) {
    return <p class="calm"><span aria-hidden="true">✓</span> Nothing would have been blocked. On trial now: {rules.slice(0, LISTED).map((rule, i) => <>{i > 0 && ', '}<code>{rule}</code></>)}{rules.length > LISTED && ` and ${rules.length - LISTED} more`}.</p>;
  }
  return (
    <>
      <p class="calm">No rule is on trial. With <code>dry_run: true</code> a rule, a limit or a hard budget only records what it would refuse, and that stands here; a soft budget that is past its limit does the same.</p>
      <Snippet text={EXAMPLE} what="rules on trial" />
    </>
  );
}

function Rules({ spoken, where }: { spoken: readonly Spoken[]; where: VerdictsAnswer | null }) {
  const unit = bucketUnit.value;
  const shownIn = unit === 'hour' ? zone.value : reportingZone.value;
  // The rows come with the most frequent first.
  const most = (policy: string) => where?.rows.find((row) => (row.policy ?? '') === policy);
  const last = (one: Spoken) => Math.max(...one.rows.map((row) => Date.parse(row[unit] ?? '')));
  const columns: Column<Spoken>[] = [
    { key: 'rule', name: 'Rule', cell: (one) => <a href={callsOf([one.policy], ON_TRIAL, periodParameters())} onClick={follow} title="Open these calls"><code class="wraps">{policyWord(one.policy)}</code></a> },
    { key: 'would', name: 'Would have', cell: (one) => one.verdicts.map((verdict) => (verdict === 'would_refuse' ? 'refused' : 'changed the model')).join(', ') },
    { key: 'calls', name: 'Calls', figure: true, cell: (one) => whole(one.calls) },
    { key: 'who', name: 'Most in', cell: (one) => <span class="muted">{most(one.policy) ? `${most(one.policy)!.workspace} / ${most(one.policy)!.workflow}` : '–'}</span> },
    { key: 'last', name: 'Last', figure: true, cell: (one) => bucketLabelFormats[unit](last(one), shownIn) },
  ];
  return <Listing caption="Rules that would have blocked, as a table" columns={columns} rows={spoken} idOf={(one) => one.policy} />;
}
