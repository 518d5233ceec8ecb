// server/cli/alerts.ts: `tollgate alerts`: what fires, who looks after it, whether a channel gets what it should, and what would have fired.

import { Option, type Command } from 'commander';
import { ALERT_RULES, SEVERITIES, type AlertRule, type Severity } from '../domain/alert.ts';
import type { AcknowledgeAnswer, AcknowledgeBody, AlertFiring, AlertReplayAnswer, AlertsAnswer, AlertTestAnswer, AlertTestBody } from '../http/admin/wire.ts';
import { adminClient } from './admin-client.ts';
import { CommandError } from './exit.ts';
import type { Terminal } from './main.ts';
import { asJson, example, withGateway, type AskOptions } from './options.ts';
import { minute, table } from './show.ts';

interface TestOptions extends AskOptions {
  readonly channel: string;
  readonly rule: AlertRule;
  readonly severity: Severity;
  readonly resolve?: boolean;
  readonly print?: boolean;
}

export function alertsCommand(program: Command, terminal: Terminal): void {
  const alerts = program.command('alerts').description('what fires, acknowledging it, testing channels, and what would have fired').helpCommand(false).addHelpText('after', example('alerts list', 'alerts test --channel ops-slack'));

  withGateway(alerts.command('list').description('what fires, what is about to, and what was resolved in the past week'))
    .addHelpText('after', example('alerts list', 'alerts list --json'))
    .action(async (options: AskOptions) => {
      const answer = await adminClient(options, terminal.env).json<AlertsAnswer>('GET', '/api/alerts');
      if (options.json) return terminal.out(asJson(answer));
      const rows = [...answer.firing, ...answer.pending, ...answer.resolved];
      terminal.out(rows.length === 0 ? 'Nothing fires, and nothing did in the past week.\n' : `${table(['state', 'since', 'severity', 'title', 'acknowledged by', 'fingerprint'], rows.map(cellsOf))}\n`);
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
    .option('--since <time>', 'from this time: ISO 8601, or a time before now such as 30d (m, h, d, w)', '30d')
    .addOption(new Option('--rule <rule>', 'only this rule').choices([...ALERT_RULES]))
    .addHelpText('after', example('alerts replay --since 30d', 'alerts replay --since 7d --rule anomaly'))
    .action(async ({ since, rule, ...options }: AskOptions & { since: string; rule?: AlertRule }) => {
      const query = new URLSearchParams({ since: /^\d+[smhdw]$/.test(since) ? `now-${since}` : since, ...(rule === undefined ? {} : { rule }) });
      const answer = await adminClient(options, terminal.env).json<AlertReplayAnswer>('GET', `/api/alerts/replay?${query.toString()}`);
      if (options.json) return terminal.out(asJson(answer));
      terminal.out(answer.rows.length === 0 ? 'Nothing would have fired.\n' : `${table(['at', 'event', 'severity', 'rule', 'scope', 'title'], answer.rows.map((row) => [minute(row.at, ''), row.event, row.severity, row.rule, row.scope, row.title]))}\n`);
      terminal.err(`The ledger holds nothing to replay these by: ${answer.not_replayed.join(', ')}.\n`);
    });
}

const cellsOf = (alert: AlertFiring): string[] => [alert.state, minute(alert.since, ''), alert.severity, alert.title, alert.acknowledged_by ?? '', alert.fingerprint];
