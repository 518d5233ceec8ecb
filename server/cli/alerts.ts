// server/cli/alerts.ts: `tollgate alerts`: what fires, who looks after it, whether a channel gets what it should, and what would have fired.

import { Option, type Command } from 'commander';
import { ALERT_RULES, SEVERITIES, type AlertRule, type Severity } from '../domain/alert.ts';
import type { AcknowledgeAnswer, AcknowledgeBody, AlertFiring, AlertReplayAnswer, AlertsAnswer, AlertTestAnswer, AlertTestBody, SilenceAnswer, SilenceBody, SilenceRow } from '../http/admin/wire.ts';
import { adminClient, LONG_ANSWER_TIMEOUT_MS } from './admin-client.ts';
import { CommandError } from './exit.ts';
import type { Terminal } from './main.ts';
import { asJson, example, withGateway, type AskOptions } from './options.ts';
import { minute, table } from './show.ts';
import { laterInstant } from './times.ts';

interface TestOptions extends AskOptions {
  readonly channel: string;
  readonly rule: AlertRule;
  readonly severity: Severity;
  readonly resolve?: boolean;
  readonly print?: boolean;
}

export function alertsCommand(program: Command, terminal: Terminal): void {
  const alerts = program.command('alerts').description('what fires, acknowledging and silencing it, testing channels, and what would have fired').helpCommand(false).addHelpText('after', example('alerts list', 'alerts test --channel ops-slack'));

  withGateway(alerts.command('list').description('what fires, what is about to, and what was resolved in the past week'))
    .addHelpText('after', example('alerts list', 'alerts list --json'))
    .action(async (options: AskOptions) => {
      const answer = await adminClient(options, terminal.env).json<AlertsAnswer>('GET', '/api/alerts');
      if (options.json) return terminal.out(asJson(answer));
      const rows = [...answer.firing, ...answer.pending, ...answer.resolved];
      terminal.out(rows.length === 0 ? 'Nothing fires, and nothing did in the past week.\n' : `${alertsTable(rows)}\n`);
    });

  withGateway(alerts.command('silences').description('what nobody is told of for now, until when, and why'))
    .addHelpText('after', example('alerts silences'))
    .action(async (options: AskOptions) => {
      const { silences } = await adminClient(options, terminal.env).json<AlertsAnswer>('GET', '/api/alerts');
      if (options.json) return terminal.out(asJson({ silences }));
      const rows = silences.filter((silence) => silence.in_force);
      terminal.out(rows.length === 0 ? 'Nothing is silenced.\n' : `${table(['until', 'rule', 'scope', 'by', 'reason', 'silence'], rows.map((s) => [minute(s.until, ''), s.rule ?? 'every', s.scope ?? 'every', s.actor, s.reason, s.id]))}\n`);
    });

  withGateway(alerts.command('silence').description('send no messages about some alerts for a while; they fire all the same, and what still does at the end is told then'))
    .addOption(new Option('--rule <rule>', 'alerts of this rule').choices([...ALERT_RULES]))
    .option('--scope <scope>', 'alerts about this budget, workspace, key and so on; * stands for any run of characters')
    .requiredOption('--until <when>', 'when it ends: a day (UTC), an instant, or a time from now such as 4h; at most 90d', (text) => laterInstant(text))
    .requiredOption('--reason <text>', 'why, for the audit log')
    .addHelpText('after', example("alerts silence --rule anomaly --scope engineering --until 4h --reason 'load test'"))
    .action(async ({ rule, scope, until, reason, ...options }: AskOptions & { rule?: AlertRule; scope?: string; until: Date; reason: string }) => {
      if (rule === undefined && scope === undefined) throw new CommandError("Say what to silence: --rule, --scope or both; --scope '*' is every alert.");
      const body: SilenceBody = { ...(rule === undefined ? {} : { rule }), ...(scope === undefined ? {} : { scope }), until: until.toISOString(), reason };
      const { silence } = await adminClient(options, terminal.env).json<SilenceAnswer>('POST', '/api/alerts/silences', body);
      terminal.out(options.json ? asJson({ silence }) : `Nobody is told of ${aboutOf(silence)} until ${minute(silence.until, '')}. End it early with \`npx tollgate alerts unsilence ${silence.id}\`.\n`);
    });

  withGateway(alerts.command('unsilence').description('end a silence early; what it kept back and still fires is told').argument('<silence>', 'the silence, as `alerts silences` names it'))
    .addHelpText('after', example('alerts unsilence silence_0123456789abcdef'))
    .action(async (id: string, options: AskOptions) => {
      const { silence } = await adminClient(options, terminal.env).json<SilenceAnswer>('DELETE', `/api/alerts/silences/${encodeURIComponent(id)}`);
      terminal.out(options.json ? asJson({ silence }) : `The silence about ${aboutOf(silence)} is over.\n`);
    });

  withGateway(alerts.command('ack').description('say that somebody looks after an alert: it is not repeated then, and PagerDuty is told').argument('<fingerprint>', 'the alert, as `alerts list` names it'))
    .addHelpText('after', example("alerts ack 'budget:support-month@2026-11-01T00:00Z'"))
    .action(async (fingerprint: string, options: AskOptions) => {
      const body: AcknowledgeBody = { fingerprint };
      const answer = await adminClient(options, terminal.env).json<AcknowledgeAnswer>('POST', '/api/alerts/acknowledge', body);
      terminal.out(options.json ? asJson(answer) : `${answer.alert.title}: acknowledged by ${answer.alert.acknowledged_by}.\n`);
    });

  withGateway(alerts.command('test').description('send a test to a channel, the way a real alert goes'))
    .requiredOption('--channel <id>', 'the channel, as in the config')
    .addOption(new Option('--rule <rule>', 'the rule it pretends to come from').choices([...ALERT_RULES]).default('budget'))
    .addOption(new Option('--severity <severity>', 'how urgent it pretends to be').choices([...SEVERITIES]).default('warning'))
    .option('--resolve', 'as the end of an alert')
    .option('--print', 'show what would be sent, and send nothing')
    .addHelpText('after', example('alerts test --channel ops-slack', 'alerts test --channel pager --severity critical --resolve', 'alerts test --channel hook --print'))
    .action(async ({ channel, rule, severity, resolve = false, print = false, ...options }: TestOptions) => {
      const body: AlertTestBody = { channel, rule, severity, resolve, print };
      const answer = await adminClient(options, terminal.env).json<AlertTestAnswer>('POST', '/api/alerts/test', body);
      const { payload, delivery } = answer;
      if (delivery === null) return terminal.out(options.json ? asJson(answer) : `${payload}\n`);
      if (options.json) terminal.out(asJson(answer));
      const said = `${channel} answered ${delivery.status ?? 'nothing'} after ${delivery.duration_ms} ms${delivery.detail === '' ? '' : `: ${delivery.detail}`}`;
      if (delivery.result !== 'delivered') throw new CommandError(`${said}\nIt did not arrive.`);
      if (!options.json) terminal.out(`${said}\nIt arrived.\n`);
    });

  withGateway(alerts.command('replay').description("what would have fired, by today's rules and budgets"))
    .option('--since <time>', 'from this time: ISO 8601, or a time before now such as 30d (s, m, h, d, w)', '30d')
    .addOption(new Option('--rule <rule>', 'only this rule').choices([...ALERT_RULES]))
    .addHelpText('after', example('alerts replay --since 30d', 'alerts replay --since 7d --rule anomaly'))
    .action(async ({ since, rule, ...options }: AskOptions & { since: string; rule?: AlertRule }) => {
      const query = new URLSearchParams({ since, ...(rule === undefined ? {} : { rule }) });
      const answer = await adminClient(options, terminal.env).json<AlertReplayAnswer>('GET', `/api/alerts/replay?${query.toString()}`, undefined, LONG_ANSWER_TIMEOUT_MS);
      if (options.json) return terminal.out(asJson(answer));
      terminal.out(answer.rows.length === 0 ? 'Nothing would have fired.\n' : `${table(['at', 'event', 'severity', 'rule', 'scope', 'title'], answer.rows.map((row) => [minute(row.at, ''), row.event, row.severity, row.rule, row.scope, row.title]))}\n`);
      const gaps = answer.gaps.filter((gap) => rule === undefined || gap.rule === rule);
      if (gaps.length > 0) terminal.err(`What the ledger does not hold:\n${gaps.map((gap) => `  ${gap.rule}, ${gap.whole ? 'not replayed' : 'in part'}: ${gap.why}\n`).join('')}`);
    });
}

export const alertsTable = (rows: readonly AlertFiring[]): string => table(['state', 'since', 'ended', 'severity', 'title', 'acknowledged by', 'silenced until', 'fingerprint'], rows.map(cellsOf));

const cellsOf = (alert: AlertFiring): string[] => [alert.state, minute(alert.since, ''), minute(alert.resolved_at, ''), alert.severity, alert.title, alert.acknowledged_by ?? '', alert.silenced === null ? '' : minute(alert.silenced.until, ''), alert.fingerprint];

const aboutOf = ({ rule, scope }: SilenceRow): string => `${rule === null ? 'any alert' : `${rule} alerts`}${scope === null ? '' : ` about ${scope}`}`;
