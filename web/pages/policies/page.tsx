// web/pages/policies/page.tsx: what was blocked, and who changed what?

import type { BudgetsAnswer, KeyRow, KeysAnswer, PoliciesAnswer, ReasonRow, ReasonsAnswer, SessionAnswer } from '../../../server/http/admin/wire.ts';
import { TableSwitch } from '../../charts/chart.tsx';
import { bucketLabelFormats, compact, fromNow, fullTime, percent, reasonWord, whole } from '../../format.ts';
import { Listing, TableExport, type Column } from '../../parts/listing.tsx';
import { Snippet } from '../../parts/marks.tsx';
import { useReasons, useVerdicts } from '../../parts/ask-usage.ts';
import { Panel } from '../../parts/panel.tsx';
import { address, filterQuestion, settled, useAsk, type Asked } from '../../server.ts';
import type { PageProps } from '../../shell/pages.tsx';
import { addressWith, FILTERS, follow } from '../../state/location.ts';
import { bucketUnit, now, periodParameters, range, reportingZone, zone } from '../../state/period.ts';
import { dayText } from '../../state/zone.ts';
import { Audit } from './audit.tsx';
import { VerdictBars } from './blocks.tsx';
import { checksOf, refusedBy, spokenBy, type Check, type Refused, type Spoken } from './figures.ts';
import { Trial } from './trial.tsx';

export function Policies({ status }: PageProps) {
  const refused = useReasons(bucketUnit.value, range.value, 'refused', { outcome: ['refused'] });
  const said = useVerdicts(bucketUnit.value, range.value, 'said');
  const where = useReasons('workspace,workflow', range.value, 'refused-where', { outcome: ['refused'] });
  const policies = useAsk<PoliciesAnswer>('/api/policies', 'policies');
  const keys = useAsk<KeysAnswer>('/api/keys', 'keys');
  const budgets = useAsk<BudgetsAnswer>('/api/budgets', 'budgets');
  const session = useAsk<SessionAnswer>('/api/session', 'session');
  const checks = policies.data && keys.data && budgets.data && status.data
    ? checksOf({ policies: policies.data, keys: keys.data, budgets: budgets.data, status: status.data, signInRequired: session.data?.required ?? null })
    : null;
  return (
    <>
      {refused.data && <Lead answer={refused.data} checks={checks} />}
      <Panel title={`Refused calls per ${bucketUnit.value}, by rule`} asked={said} skeleton="chart" class="low" aside={<TableSwitch />}>
        {(answer) => <Refusals spoken={spokenBy(answer.rows, REFUSED)} />}
      </Panel>
      <Panel title="Why" asked={refused} skeleton="list" aside={refused.data && <WhyFiles asked={refused} where={where} />}>
        {(answer) => <Reasons rows={refusedBy(answer.rows)} columns={reasonColumns(where.data?.rows ?? [])} />}
      </Panel>
      <Trial asked={said} policies={policies.data} budgets={budgets.data} />
      <section class="panel" aria-label="Good use">
        <header class="panel-head"><h2>Good use</h2><span class="muted">as configured now</span></header>
        {checks === null ? <div class="skeleton list" role="status"><span class="unseen">Loading…</span></div> : <Checks checks={checks} />}
      </section>
      <Panel title="Policies in force" asked={policies} skeleton="list" aside={policies.data && <span class="muted">{policies.data.config_file}</span>}>{(answer) => <InForce answer={answer} />}</Panel>
      <Panel title="Keys" asked={keys} skeleton="list">{(answer) => <Keys answer={answer} />}</Panel>
      <Audit />
    </>
  );
}

const REFUSED = ['refuse'] as const;

function Refusals({ spoken }: { spoken: readonly Spoken[] }) {
  if (spoken.length === 0) return <p class="calm"><span aria-hidden="true">✓</span> No call was refused.</p>;
  return <VerdictBars kind="refusing" title="Refused calls" spoken={spoken} verdicts={REFUSED} />;
}

function Lead({ answer, checks }: { answer: ReasonsAnswer; checks: readonly Check[] | null }) {
  const first = refusedBy(answer.rows)[0];
  const warnings = checks?.filter((check) => check.state === 'warn').length ?? 0;
  return (
    <p class="lead">
      {first ? <><strong>{whole(answer.total)}</strong> {answer.total === 1 ? 'call was' : 'calls were'} refused in this period, most for: {reasonWord(first.reason).toLowerCase()} ({percent(first.calls / answer.total)}). </> : 'No call was refused in this period. '}
      {checks && (warnings === 0 ? 'The configuration keeps all rules of good use.' : `${warnings} of ${checks.length} rules of good use ${warnings === 1 ? 'needs' : 'need'} a look.`)}
    </p>
  );
}

function Reasons({ rows, columns }: { rows: readonly Refused[]; columns: readonly Column<Refused>[] }) {
  if (rows.length === 0) return <p class="calm"><span aria-hidden="true">✓</span> Nothing was refused.</p>;
  return <Listing caption="Reasons, as a table" columns={columns} rows={rows} idOf={(one) => one.reason ?? ''} main />;
}

/** The table as a file, and the calls that it counts. */
function WhyFiles({ asked, where }: { asked: Asked<ReasonsAnswer>; where: Asked<ReasonsAnswer> }) {
  const rows = refusedBy(asked.data?.rows ?? []);
  if (rows.length === 0) return null;
  return (
    <div class="panel-tools">
      <TableExport columns={reasonColumns(where.data?.rows ?? [])} rows={rows} name="refused-why.csv" ready={settled(asked) && settled(where)} />
      <a class="button" href={address('/api/export/requests.csv', { ...filterQuestion(), outcome: ['refused'] }, range.value)} download="refused.csv">Calls as CSV</a>
    </div>
  );
}

/** @param where refused calls by reason, workspace and workflow */
function reasonColumns(where: readonly ReasonRow[]): Column<Refused>[] {
  const unit = bucketUnit.value;
  const shownIn = unit === 'hour' ? zone.value : reportingZone.value;
  // The rows come with the most frequent first.
  const most = (reason: string | null) => where.find((row) => row.reason === reason);
  const last = (rows: readonly ReasonRow[]) => Math.max(...rows.map((row) => Date.parse(row[unit] ?? '')));
  return [
    { key: 'reason', name: 'Reason', cell: (one) => <a href={addressWith({ [FILTERS.outcome]: 'refused', ...(one.reason === null ? {} : { [FILTERS.refusal]: one.reason }), ...periodParameters() }, 'requests')} onClick={follow} title="Open these calls">{reasonWord(one.reason)}</a>, csv: { reason: (one) => one.reason } },
    { key: 'calls', name: 'Calls', figure: true, cell: (one) => whole(one.calls), csv: { calls: (one) => one.calls } },
    { key: 'who', name: 'Most in', cell: (one) => <span class="muted">{most(one.reason) ? `${most(one.reason)!.workspace} / ${most(one.reason)!.workflow}` : '–'}</span>, csv: { most_in_workspace: (one) => most(one.reason)?.workspace ?? null, most_in_workflow: (one) => most(one.reason)?.workflow ?? null } },
    { key: 'last', name: 'Last', figure: true, cell: (one) => bucketLabelFormats[unit](last(one.rows), shownIn), csv: { [`last_${unit}`]: (one) => (unit === 'hour' ? new Date(last(one.rows)).toISOString() : dayText(last(one.rows), reportingZone.value)) } },
  ];
}

const STATES = { pass: { sign: '✓', word: 'kept', tone: 'good' }, warn: { sign: '!', word: 'look', tone: 'warn' }, unknown: { sign: '–', word: 'not known', tone: 'neutral' } } as const;

function Checks({ checks }: { checks: readonly Check[] }) {
  return (
    <ul class="checks">
      {checks.toSorted((a, b) => Number(a.state === 'pass') - Number(b.state === 'pass')).map((check) => (
        <li key={check.name}>
          <span class={`outcome ${STATES[check.state].tone}`}><span class="outcome-sign" aria-hidden="true">{STATES[check.state].sign}</span><span class="unseen">{STATES[check.state].word}: </span></span>
          <span>{check.name}<br /><span class="muted">{check.proof}</span></span>
        </li>
      ))}
    </ul>
  );
}

const STARTER = `workspaces:
  - id: support
    models: { allow: ["claude-haiku-4-5*", "claude-sonnet-*"], dry_run: true }
    limits: { requests_per_minute: 600, concurrent: 50, dry_run: true }
    max_output_tokens: { most: 8192, dry_run: true }
`;

interface Rule {
  readonly workspace: string;
  readonly workflow: string | null;
  readonly policy: Pick<PoliciesAnswer['workspaces'][number], 'models' | 'features' | 'cheaper_models' | 'limits' | 'max_output_tokens' | 'priority' | 'dry_run'>;
}

/** What is allowed, and what is not. @param allow null: anything */
function Names({ allow, deny }: { allow: readonly string[] | null; deny: readonly string[] }) {
  return <span class="rule-models">{allow ? allow.map((one) => <code key={one}>{one}</code>) : deny.length === 0 && <span class="muted">any</span>}{deny.map((one) => <code key={one} class="denied"><span class="unseen">not </span>{one}</code>)}</span>;
}

function InForce({ answer }: { answer: PoliciesAnswer }) {
  const rules: Rule[] = answer.workspaces.flatMap((one) => [{ workspace: one.id, workflow: null, policy: one }, ...one.workflows.map((flow) => ({ workspace: one.id, workflow: flow.id, policy: flow }))]);
  const facts = (
    <p class="note muted">
      {answer.access === 'keys' ? 'Every call needs a Tollgate key.' : 'Access is open: calls need no Tollgate key.'} A model without a price is {answer.unknown_model === 'refuse' ? 'refused' : 'counted at the dearest price'}. When a client leaves, its answer is {answer.on_abort === 'drain' ? 'read to its end, so that its cost is exact' : 'cut, and its cost estimated'}.
    </p>
  );
  if (rules.length === 0) return <><p>No workspace has a policy yet: every model is allowed, without limits. A start, which only records what it would refuse until <code>dry_run</code> is taken out:</p><Snippet text={STARTER} what="a first policy" />{facts}</>;
  const none = <span class="muted">–</span>;
  const number = (of: (rule: Rule) => number | null) => (rule: Rule) => (of(rule) === null ? none : compact(of(rule)!));
  const columns: Column<Rule>[] = [
    { key: 'where', name: 'Where', cell: (rule) => rule.workflow === null ? <strong>{rule.workspace}</strong> : <><span class="muted">{rule.workspace} / </span>{rule.workflow}</>, title: (rule) => (rule.policy.dry_run.length ? `Only recorded, nothing is refused: ${rule.policy.dry_run.join(', ')}` : undefined) },
    { key: 'mode', name: 'Mode', cell: (rule) => (rule.policy.dry_run.length === 0 ? 'refuses' : <span class="outcome warn"><span class="outcome-sign" aria-hidden="true">!</span>dry run: {rule.policy.dry_run.join(', ').replaceAll('_', ' ')}</span>) },
    { key: 'priority', name: 'Priority', cell: ({ policy: { priority } }) => priority ?? none },
    { key: 'models', name: 'Models', cell: ({ policy: { models, cheaper_models } }) => <><Names allow={models.allow} deny={models.deny} />{cheaper_models && <span class="muted"> cheaper from {percent(cheaper_models.at)} of {cheaper_models.budget}</span>}</>, title: ({ policy: { cheaper_models } }) => (cheaper_models ? Object.entries(cheaper_models.models).map(([from, to]) => `${from} gives way to ${to}`).join(', ') : undefined) },
    { key: 'features', name: 'Features', cell: ({ policy: { features } }) => <Names allow={features && features.allow.length > 0 ? features.allow : null} deny={features?.deny ?? []} />, title: ({ policy: { features } }) => (features && features.allow.length > 0 ? 'Of the kinds that are named, only these; other kinds stay open' : undefined) },
    { key: 'requests', name: 'Requests / min', figure: true, cell: number((rule) => rule.policy.limits.requests_per_minute) },
    { key: 'in', name: 'Input / min', figure: true, cell: number((rule) => rule.policy.limits.input_tokens_per_minute) },
    { key: 'out', name: 'Output / min', figure: true, cell: number((rule) => rule.policy.limits.output_tokens_per_minute) },
    { key: 'once', name: 'At once', figure: true, cell: number((rule) => rule.policy.limits.concurrent) },
    { key: 'most', name: 'Longest answer', figure: true, cell: number((rule) => rule.policy.max_output_tokens) },
  ];
  return <><Listing caption="Policies in force, as a table" columns={columns} rows={rules} idOf={(rule) => `${rule.workspace}/${rule.workflow ?? ''}`} />{answer.limits.length > 0 && <LimitRules rows={answer.limits} />}{facts}</>;
}

type LimitRule = PoliciesAnswer['limits'][number];

/** Limits that follow keys and classes of models, wherever their calls come from. */
function LimitRules({ rows }: { rows: readonly LimitRule[] }) {
  const covers = ({ scope, each }: LimitRule): string => {
    const parts = [scope.workspace && `workspace ${scope.workspace}`, scope.workflow && `workflow ${scope.workflow}`, scope.key && `key ${scope.key}`, scope.model_class && `models ${scope.model_class}`, each && `each ${each === 'key' ? 'key' : 'class of models'} by itself`].filter(Boolean);
    return parts.length === 0 ? 'every call' : parts.join(', ');
  };
  const none = <span class="muted">–</span>;
  const number = (of: (limits: LimitRule['limits']) => number | null) => ({ limits }: LimitRule) => (of(limits) === null ? none : compact(of(limits)!));
  const columns: Column<LimitRule>[] = [
    { key: 'rule', name: 'Limit', cell: (rule) => <strong>{rule.id}</strong> },
    { key: 'covers', name: 'Covers', cell: (rule) => <span class="muted">{covers(rule)}</span> },
    { key: 'mode', name: 'Mode', cell: (rule) => (rule.dry_run ? <span class="outcome warn"><span class="outcome-sign" aria-hidden="true">!</span>dry run</span> : 'refuses') },
    { key: 'requests', name: 'Requests / min', figure: true, cell: number((limits) => limits.requests_per_minute) },
    { key: 'in', name: 'Input / min', figure: true, cell: number((limits) => limits.input_tokens_per_minute) },
    { key: 'out', name: 'Output / min', figure: true, cell: number((limits) => limits.output_tokens_per_minute) },
    { key: 'once', name: 'At once', figure: true, cell: number((limits) => limits.concurrent) },
  ];
  return <Listing caption="Limits by key and class of models, as a table" columns={columns} rows={rows} idOf={(rule) => rule.id} />;
}

function Keys({ answer }: { answer: KeysAnswer }) {
  if (answer.rows.length === 0) return <><p>No key yet. A key stands for one workspace; its secret is shown once:</p><Snippet text={'npx tollgate keys create support-prod --workspace support'} what="the command" /></>;
  const time = (at: string | null) => (at === null ? <span class="muted">–</span> : <span title={fullTime(Date.parse(at), zone.value)}>{fromNow(Date.parse(at), now.value)}</span>);
  const columns: Column<KeyRow>[] = [
    { key: 'id', name: 'Key', cell: (key) => <a href={addressWith({ [FILTERS.key]: key.id, ...periodParameters() }, 'requests')} onClick={follow}>{key.id}</a> },
    { key: 'for', name: 'Stands for', cell: (key) => <>{key.workspace}{key.workflow && <span class="muted"> / {key.workflow}</span>}</> },
    { key: 'state', name: 'State', cell: (key) => <span class={`outcome ${key.state === 'active' ? 'good' : 'neutral'}`}><span class="outcome-sign" aria-hidden="true">{key.state === 'active' ? '✓' : '–'}</span>{key.state}</span> },
    // Uses of a key that the configuration declares are counted from the start on.
    { key: 'used', name: 'Last used', cell: (key) => (key.last_used_at === null && key.origin === 'config' ? <span class="muted">not since the start</span> : time(key.last_used_at)) },
    { key: 'ends', name: 'Ends', cell: (key) => time(key.expires_at) },
    { key: 'origin', name: 'From', cell: (key) => (key.origin === 'config' ? 'configuration' : 'issued') },
  ];
  return <Listing caption="Keys, as a table" columns={columns} rows={answer.rows} idOf={(key) => key.id} />;
}

