// test/demo/config.ts: the demo's tollgate.yaml: the workspaces of the cast, and budgets sized by what was really spent.

import type { Scope } from '../../server/domain/budget.ts';
import { periodAt, type PeriodKind } from '../../server/domain/calendar.ts';
import { epochMs } from '../../server/domain/ids.ts';
import type { Ledger } from '../../server/domain/ledger.ts';
import { usdNumber } from '../../server/domain/money.ts';
import { ADMIN_KEY } from './bill.ts';
import { CAST } from './cast.ts';

export interface DemoBudget {
  readonly id: string;
  /** As written in the config. */
  readonly scope: Readonly<Record<string, string | true>>;
  readonly period: PeriodKind;
  readonly mode: 'hard' | 'soft';
  /** The part of the limit that is spent when the demo starts. */
  readonly spent: number;
  /** A limit in US dollars that does not follow the spend. */
  readonly fixed?: number;
}

/** One stands near its hard limit, one is past its soft one, the others are at ease. */
const BUDGETS: readonly DemoBudget[] = [
  { id: 'everything-month', scope: { organization: true }, period: 'month', mode: 'soft', spent: 0.82 },
  { id: 'support-month', scope: { workspace: 'support' }, period: 'month', mode: 'hard', spent: 0.55 },
  { id: 'marketing-month', scope: { workspace: 'marketing' }, period: 'month', mode: 'hard', spent: 0.93 },
  { id: 'editorial-week', scope: { workspace: 'editorial' }, period: 'week', mode: 'soft', spent: 1.06 },
  { id: 'engineering-month', scope: { workspace: 'engineering' }, period: 'month', mode: 'hard', spent: 0.71 },
  // The one that held the runaway afternoon.
  { id: 'agents-day', scope: { key: 'agents' }, period: 'day', mode: 'hard', spent: 1, fixed: 122 },
  { id: 'agents-quarter', scope: { key: 'agents' }, period: 'quarter', mode: 'soft', spent: 0.4 },
  { id: 'ines-month', scope: { user: 'ines' }, period: 'month', mode: 'soft', spent: 0.66 },
];

/** Two figures are enough for a limit that people agreed on. Never less than a dollar, and never so little that the sample apps stand still. */
export function sizedLimit(spentUsd: number, budget: Pick<DemoBudget, 'mode' | 'spent'>): number {
  const wanted = Math.max(1, spentUsd / budget.spent, budget.mode === 'hard' ? spentUsd + 2 : 0);
  const step = 10 ** (Math.floor(Math.log10(wanted)) - 1);
  const rounded = budget.spent > 1 ? Math.floor(wanted / step) * step : Math.ceil(wanted / step) * step;
  return Number(Math.max(1, rounded).toFixed(2));
}

export interface ConfigInput {
  readonly ledger: Pick<Ledger, 'spent'>;
  readonly now: number;
  readonly zone: string;
  readonly upstream: string;
  /** Where alerts go: a listener of the demo's own. */
  readonly alertsTo: string;
  readonly pricesFile: string;
}

/** The whole file, as text. */
export async function demoConfig(input: ConfigInput): Promise<string> {
  const limits = await Promise.all(BUDGETS.map(async (budget) => {
    const period = periodAt(budget.period, epochMs(input.now), input.zone);
    const spent = await input.ledger.spent(scopeOf(budget.scope), period.from, period.to);
    return { budget, limit: budget.fixed ?? sizedLimit(usdNumber(spent), budget) };
  }));
  const keys = CAST.filter((part) => part.secret !== '');
  return `# The config of the demo, written anew at each of its starts. Edit a copy, or edit this one while the demo runs: it is taken up at once.

listen: 127.0.0.1:4100
admin: { listen: 127.0.0.1:4101 }
access: keys
timezone: ${input.zone}
drain: 3s

upstream:
  origin: ${input.upstream}          # the stand-in for the Claude API
  keys:
    default: sk-ant-demo-lamps
    engineering: sk-ant-demo-engineering

# The stand-in bills a little more than the ledger says, as if somebody went past the gateway.
reconciliation: { admin_key: ${ADMIN_KEY} }

prices: { file: ${JSON.stringify(input.pricesFile)}, unknown_model: refuse }

workspaces:
  - id: support
    models: { allow: ["claude-haiku-4-5*", "claude-sonnet-*"], alias: { fast: claude-haiku-4-5 } }
    limits: { requests_per_minute: 600, input_tokens_per_minute: 2000000, output_tokens_per_minute: 80000, concurrent: 50 }
    max_output_tokens: 8192
    workflows:
      - id: ticket-triage
        models: { allow: ["claude-haiku-4-5*"] }
      - id: reply-draft
  - id: marketing
    models: { deny: ["claude-fable-*", "claude-mythos-*"], alias: { best: claude-opus-5-5 } }
    features: { deny: ["server_tool:web_search_*"], dry_run: true }
    limits: { requests_per_minute: 120, concurrent: 10 }
    workflows:
      - id: product-descriptions
      - id: campaign-ideas
  - id: editorial
    models: { deny: ["claude-opus-4-*"], dry_run: true }
    limits: { requests_per_minute: 240, concurrent: 20 }
    workflows:
      - id: writing-assistant
      - id: fact-check
  - id: engineering
    upstream_key: engineering
    limits: { requests_per_minute: 1200, concurrent: 100 }
    max_output_tokens: 64000
    workflows:
      - id: coding-agent
      - id: code-review

# In a config of your own, write secrets as variables: "\${TRIAGE_KEY}".
keys:
${keys.map((k) => `  - { id: ${k.key}, workspace: ${k.workspace}, workflow: ${k.workflow}, ${k.key === 'magazine' ? 'workflows: [fact-check], ' : ''}secret: ${k.secret} }`).join('\n')}

# Sized so that one stands near its limit and one is past it.
budgets:
${limits.map(({ budget, limit }) => `  - id: ${budget.id}\n    scope: { ${Object.entries(budget.scope).map(([name, value]) => `${name}: ${value}`).join(', ')} }\n    limit_usd: ${limit}\n    period: ${budget.period}\n    mode: ${budget.mode}\n    alert_at: [50%, 80%, 100%]\n    notify: [lamp-ops]`).join('\n')}

# Slack, Teams, PagerDuty and e-mail are set up alike. This one is a listener that the demo runs itself, on this machine.
alerts:
  private_addresses: true
  channels:
    lamp-ops: { type: webhook, url: ${input.alertsTo} }
`;
}

function scopeOf(written: DemoBudget['scope']): Scope {
  const named = (name: string): string | null => (typeof written[name] === 'string' ? written[name] : null);
  return { workspace: named('workspace'), workflow: named('workflow'), key: named('key'), user: named('user'), model: named('model') };
}
