// server/settings/schema.ts: everything that tollgate.yaml may say. Closed: what is not here is a mistake. The descriptions become the hover text of editors.

import { z } from 'zod';
import { SEVERITIES } from '../domain/alert.ts';
import { PERIODS } from '../domain/calendar.ts';
import { PRIORITIES } from '../domain/call.ts';
import { WEEKDAYS } from '../domain/settings.ts';
import { baseUrl, bytes, choice, credential, duration, flag, hostName, hostPort, list, modelName, name, origin, percent, section, secret, SECRET_LENGTH, timeOfDay, usd, whole, words } from './fields.ts';

const GLOB = 'the name of a model, where `*` stands for any run of characters and `?` for one';
const glob = () => modelName(GLOB, /^[^\s]{1,256}$/);
const MODEL = 'the name of a model, without wildcards';

const FEATURES = 'features such as server_tool:web_search_*, tool:bash, mcp_server:https://example.com/*, beta:*, geo:us, speed:fast, thinking, files, skills, container, batches';
const feature = () => z.string({ error: FEATURES }).regex(/^(?:(?:server_tool|tool|mcp_server|beta|geo|speed):[^\s]{1,256}|thinking|files|skills|container|batches)$/, { error: FEATURES });
const dryRun = () => flag().prefault(false).describe('`true` records what would be refused, and lets it pass. Default: false.');
const MAX_OUTPUT = 'a whole number from 1, or a mapping of most and dry_run';

const limits = {
  requests_per_minute: whole(1).optional().describe('Requests per minute, as a bucket that refills steadily. Left out: no limit.'),
  input_tokens_per_minute: whole(1).optional().describe('Input tokens per minute; cache writes count, cache reads do not. Left out: no limit.'),
  output_tokens_per_minute: whole(1).optional().describe('Output tokens per minute, charged as they stream. Left out: no limit.'),
  concurrent: whole(1).optional().describe('Calls in flight at once. Left out: no limit.'),
  dry_run: dryRun(),
};

const policy = {
  models: section({
    allow: list(glob(), 'model names').optional().describe('Models that may be called; `*` stands for any run of characters. Left out: every model. An empty list: none.'),
    deny: list(glob(), 'model names').prefault([]).describe('Models that may not be called, whatever `allow` says.'),
    alias: z
      .record(modelName(MODEL), modelName(MODEL), { error: 'a mapping of the name a client writes to the model that is called' })
      .prefault({})
      .describe('The name that a client writes: the model that is called, checked and priced instead.'),
    dry_run: dryRun(),
  }).prefault({}).describe('Which models may be called.'),
  features: section({
    allow: list(feature(), FEATURES).prefault([]).describe('Closes the kinds that it names to all but these: with `server_tool:web_search_*`, no other server tool may be used, and everything else stays open.'),
    deny: list(feature(), FEATURES).prefault([]).describe('What may not be used, whatever `allow` says.'),
    dry_run: dryRun(),
  }).optional().describe('What else of the API may be used: server_tool:TYPE, tool:NAME, mcp_server:URL, beta:NAME, geo:PLACE, speed:SPEED, thinking, files, skills, container, batches; `*` stands for any run of characters. Left out: everything.'),
  limits: section(limits).prefault({}).describe('How fast calls may come.'),
  cheaper_models: section({
    budget: name().describe('The budget that is looked at, usually a soft one.'),
    at: percent('0.0001%', '1000%').prefault('100%').describe('The share of it that must be spent. Default: 100%.'),
    models: z.record(glob(), modelName(MODEL), { error: 'a mapping of the models that give way, `*` stands for any run of characters, to the model that is called instead' }).describe('The model asked for, aliases resolved: the model that is called instead. The first that matches counts.'),
    dry_run: flag().prefault(false).describe('`true` records which model would be called, and calls what was asked for. Default: false.'),
  }).optional().describe('Which models stand in for others in sessions (`x-tollgate-session`, or those of Claude Code) that begin once so much of a budget is spent. A session keeps the models that it began with; calls without a session are left alone. Answers name both in `x-tollgate-model` and `x-tollgate-model-instead-of`. A workflow\'s own wins over its workspace\'s. Left out: none.'),
  unbounded_hold_usd: usd().optional().describe('US dollars to hold, besides what its bytes can cost, for a call that may read more than it says: server tools, MCP servers, compaction, threads, containers, PDFs, files and images by address. What goes beyond is booked, and may pass a hard budget. A workflow\'s own wins over its workspace\'s. Left out: a context window for each time that the model may be asked, which no call can pass.'),
  priority: choice(PRIORITIES).optional().describe('Of calls that do not say it themselves in `x-tollgate-priority`: `background` calls wait while the provider has little room left (`upstream.queue`), `interactive` ones never do. A workflow\'s own wins over its workspace\'s. Left out: interactive.'),
  max_output_tokens: z.union([whole(1), section({ most: whole(1).describe('The maximum.'), dry_run: dryRun() })], { error: MAX_OUTPUT }).optional().describe('A call that asks for more output than this is refused. Left out: no maximum.'),
};

const workflow = section({
  id: name().describe('The name of the workflow, unique in its workspace.'),
  ...policy,
});

const workspace = section({
  id: name().describe('The name of the workspace: who pays.'),
  upstream_key: name().prefault('default').describe('Which of `upstream.keys` its calls go out with. Default: default.'),
  ...policy,
  workflows: list(workflow, 'workflows').optional().describe('The named uses inside the workspace. Each may narrow the workspace\'s rules, never loosen them.'),
  open_workflows: flag().optional().describe('Whether calls may name workflows that are not listed here. Default: true when `workflows` is left out, false otherwise.'),
});

const RETRIED = '429 or 529';
const SCOPE = 'a mapping of organization: true, or of one or more of workspace, workflow, key, user and model';
const scope = section({
  organization: z.union([z.literal(true), z.literal('true')], { error: '`true`, or to be left out' }).optional().describe('`true`: every call. Stands alone.'),
  workspace: name().optional().describe('Calls of this workspace.'),
  workflow: name().optional().describe('Calls of this workflow.'),
  key: name().optional().describe('Calls with this key; it may also be one that `tollgate keys create` issued.'),
  user: words('the name of a user').optional().describe('Calls of this user, as the client names it.'),
  model: modelName(MODEL).optional().describe('Calls of exactly this model, aliases resolved.'),
});

const budget = section({
  id: name().describe('The name of the budget.'),
  scope: scope.refine((fields) => Object.values(fields).some((value) => value !== undefined), { error: SCOPE }).describe('Which calls count. All that is written must match.'),
  limit_usd: usd().describe('US dollars per period, exact to nine decimal places.'),
  period: choice(PERIODS).describe('The window after which it starts anew, cut in `timezone`. Weeks begin on Monday.'),
  mode: choice(['hard', 'soft']).prefault('hard').describe('`hard` refuses calls that do not fit; `soft` only alerts. Default: hard.'),
  dry_run: dryRun(),
  tolerance: percent('0%', '1000%').prefault('0%').describe('How far the calls in flight may overshoot a hard limit, as a share of it. Default: 0%, never.'),
  hold: choice(['worst_case', 'expected']).prefault('worst_case').describe('What calls in flight count as: `worst_case`, the most that each can cost; `expected`, what 99 of 100 calls of the same key and model cost, as learned from them and, at a start, from the newest rows of the ledger (until 20 are known, the worst case). Default: worst_case.'),
  overshoot: percent('0%', '1000%').optional().describe('Only with `hold: expected`: how far the worst case of the calls in flight may stand above limit and tolerance, as a share of the limit. No more than that can ever be overspent. Default: 25%.'),
  alert_at: list(percent('0.0001%', '1000%'), 'percentages').prefault(['50%', '80%', '100%']).describe('Shares of the limit at which to alert, ascending. Default: 50%, 80%, 100%.'),
  alert_forecast: flag().prefault(true).describe('Whether to alert when the limit will be reached before the period ends. Default: true.'),
  notify: list(name(), 'channel names').optional().describe('Channels of `alerts.channels` that are told. Left out: those of `alerts.notify`, or every channel. `[]`: none; the dashboard shows every alert.'),
}).refine(({ hold, overshoot }) => hold === 'expected' || overshoot === undefined, { error: '`hold: expected` beside it', path: ['overshoot'] });

const LIMITED = 'at least one of requests_per_minute, input_tokens_per_minute, output_tokens_per_minute and concurrent';
const MODEL_CLASS = 'a class of models as the provider limits them, such as opus-4 or haiku-4-5, where `*` stands for any run of characters';
const limitRule = section({
  id: name().describe('The name of the rule; no workspace may have the same.'),
  scope: section({
    workspace: name().optional().describe('Calls of this workspace.'),
    workflow: name().optional().describe('Calls of this workflow.'),
    key: name().optional().describe('Calls with this key; it may also be one that `tollgate keys create` issued.'),
    model_class: modelName(MODEL_CLASS, /^[a-z0-9.*?-]{1,64}$/).optional().describe('Calls of these models, by the class that `GET /api/limits` shows: opus-4 is Opus 4.5 to 4.8, sonnet-4 is Sonnet 4.5 and 4.6, any other model has its own. `*` stands for any run of characters.'),
  }).prefault({}).describe('Which calls it covers. All that is written must match. Left out: every call.'),
  each: choice(['key', 'model_class']).optional().describe('Gives each key, or each class of models, a limit of its own. Left out: one for all the calls together.'),
  ...limits,
}).refine((rule) => [rule.requests_per_minute, rule.input_tokens_per_minute, rule.output_tokens_per_minute, rule.concurrent].some((limit) => limit !== undefined), { error: LIMITED });

const key = section({
  id: name().describe('The public name of the key.'),
  workspace: name().describe('The workspace it stands for.'),
  workflow: name().optional().describe('The workflow its calls belong to. Left out: calls name theirs.'),
  workflows: list(name(), 'workflow names').optional().describe('Other workflows that its calls may name. Left out: none besides its own `workflow`, or every one if it has none.'),
  secret: secret().describe(`What the client sends; at least ${SECRET_LENGTH} characters. Write it as a variable, "\${NAME}".`),
  expires: words('a day such as 2027-01-31, or an instant such as 2027-01-31T18:00:00Z').optional().describe('When it stops working: an ISO 8601 instant, or a day, which means its first moment in `timezone`. Left out: never.'),
});

const url = () => z.string({ error: 'an http or https address' }).regex(/^https?:\/\/[^\s/]+[^\s]*$/, { error: 'an http or https address' });
const CHANNEL_TYPES = 'slack, teams, pagerduty, webhook, email or alertmanager';
const CHANNEL = `a mapping with type: ${CHANNEL_TYPES}`;
/** What every kind of channel may say besides. */
const telling = {
  min_severity: choice(SEVERITIES).prefault('info').describe('What is less urgent is not told here. Default: info, everything.'),
  quiet: section({
    from: timeOfDay().describe('When quiet hours begin, e.g. "20:00".'),
    to: timeOfDay().describe('When they end, e.g. "07:00".'),
    timezone: words('a time zone such as Europe/Berlin').optional().describe('The IANA time zone of both. Left out: `timezone` of this config.'),
    days: list(choice(WEEKDAYS), 'days: mon, tue, wed, thu, fri, sat, sun').prefault([...WEEKDAYS]).describe('On which days they begin. Default: all.'),
    bypass: choice(SEVERITIES).prefault('critical').describe('What is as urgent as this is told all the same. Default: critical.'),
  }).optional().describe('When nothing is sent; what happened comes as one message at the end. Left out: none.'),
  repeat: duration().optional().describe('An alert that nobody acknowledged is told again after so long, e.g. 24h. Left out: it is told once.'),
  fallback: name().optional().describe('The channel that is told when this one failed three times at something critical. Left out: none.'),
};
const channel = z.discriminatedUnion('type', [
  section({ type: z.literal('slack'), url: url().describe('The incoming webhook of Slack.'), ...telling }),
  section({ type: z.literal('teams'), url: url().describe('The webhook of a Teams workflow.'), ...telling }),
  section({
    type: z.literal('pagerduty'),
    routing_key: secret().describe('The integration key of the Events API v2.'),
    url: url().prefault('https://events.pagerduty.com/v2/enqueue').describe('Where events go; EU accounts have https://events.eu.pagerduty.com/v2/enqueue. Default: https://events.pagerduty.com/v2/enqueue.'),
    ...telling,
  }),
  section({
    type: z.literal('webhook'),
    url: url().describe('Where to POST, as Standard Webhooks describes.'),
    secret: secret().optional().describe('Signs each delivery: `whsec_` and base64, or any text. Left out: unsigned.'),
    previous_secret: secret().optional().describe('Signs beside `secret`, while receivers change over. Left out: one signature.'),
    ...telling,
  }),
  section({
    type: z.literal('email'),
    smtp: z.string({ error: 'smtp://host:port or smtps://host:port' }).regex(/^smtps?:\/\/[^\s]+$/, { error: 'smtp://host:port or smtps://host:port' }).describe('The mail server, with user and password if it asks for them.'),
    from: words('a mail address').describe('The sender.'),
    to: list(words('a mail address'), 'mail addresses').min(1, { error: 'at least one mail address' }).describe('Who gets it.'),
    ...telling,
  }),
  section({
    type: z.literal('alertmanager'),
    url: url().describe('Where an Alertmanager of Prometheus is, e.g. http://127.0.0.1:9093; alerts are pushed to its API v2.'),
    ...telling,
    repeat: duration().prefault('1h').describe('What fires is pushed again after so long, because an Alertmanager that restarts forgets it. Default: 1h.'),
  }),
], { error: (issue) => (issue.code === 'invalid_union' ? CHANNEL_TYPES : CHANNEL) });

const COLLECTOR = 'an http or https address such as http://127.0.0.1:4318';
const RESOURCE = 'names of attributes such as deployment.environment.name';
const HEADER = 'a header name other than those that are set anyway (Content-*, Host, Connection, Transfer-Encoding, User-Agent)';
const otlpHeaderName = () => z.string({ error: HEADER }).regex(/^(?!(?:content-.*|host|connection|transfer-encoding|user-agent)$)[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/i, { error: HEADER });
const HEADER_VALUE = 'printable ASCII on one line';
const otlpHeaderValue = () => z.string({ error: HEADER_VALUE }).regex(/^[\x20-\x7e]{0,4096}$/, { error: HEADER_VALUE });

const rule = <Shape extends z.ZodRawShape>(thresholds: Shape, said: string) =>
  section({ enabled: flag().prefault(true).describe('Whether to look. Default: true.'), ...thresholds }).prefault({} as never).describe(said);

export const configSchema = section({
  listen: hostPort().prefault('127.0.0.1:4100').describe('Where apps reach the Claude API. An address other than loopback demands `access: keys`. Default: 127.0.0.1:4100.'),
  admin: section({
    listen: hostPort().prefault('127.0.0.1:4101').describe('Where the dashboard, the admin API and /metrics are. An address other than loopback demands a token. Default: 127.0.0.1:4101.'),
    token: credential().prefault('').describe(`The token of the admin API, at least ${SECRET_LENGTH} characters. Empty: open, on loopback only.`),
    hosts: list(hostName(), 'host names').prefault([]).describe('Host names, besides loopback and the address in `listen`, under which the admin port answers, e.g. those of a proxy in front of it. Others are refused, because by DNS rebinding a foreign page reaches a port under a name of its own. Listening on every address (0.0.0.0) with a token, and none listed here: every name. Default: none.'),
  }).prefault({}).describe('The admin port.'),
  access: choice(['open', 'keys']).prefault('open').describe('`keys` demands a Tollgate key of every call; `open`, on loopback only, lets calls without one through. Default: open.'),
  timezone: words('a time zone such as Europe/Berlin').prefault('UTC').describe('The IANA time zone that cuts days and months for budgets and reports. Default: UTC.'),
  data_dir: words('a folder').prefault('./data').describe('Where the ledger lives. TOLLGATE_DATA_DIR and --data-dir win over it. Default: ./data.'),
  upstream: section({
    origin: origin().prefault('https://api.anthropic.com').describe('Where calls go. Default: https://api.anthropic.com.'),
    keys: z.record(name(), credential(), { error: 'a mapping of names to provider keys' }).prefault({}).describe('Provider keys by name, as variables. A name whose variable is empty is as if it were not there.'),
    connect_timeout: duration().prefault('10s').describe('To connect, TLS included. Default: 10s.'),
    stream_headers_timeout: duration().prefault('120s').describe('To the response headers of a stream. Default: 120s.'),
    headers_timeout: duration().prefault('600s').describe('To the response headers of everything else. Default: 600s.'),
    idle_timeout: duration().prefault('300s').describe('Silence in a response body. Default: 300s.'),
    connections: whole(1, 65_535).optional().describe('Connections to the origin at most. Default: as many as `max_in_flight`.'),
    retry: section({
      on: list(z.union([z.literal(429), z.literal(529)], { error: RETRIED }), RETRIED).prefault([]).describe('Statuses after which a call is tried again before its client hears of them: 429, where the provider says when to come back, and 529. Default: none.'),
      most: whole(0, 10).prefault(2).describe('Further tries of one call at most. A connection that failed is tried once more (one that timed out is not), 0 forbids that too. Default: 2.'),
      budget: percent('0%', '100%').prefault('10%').describe('Further tries after such a status, as a share of the calls with the same provider key; ten are always saved up at most, and one comes back every ten seconds. Default: 10%.'),
      max_wait: duration().prefault('10s').describe('The longest `retry-after` that is waited for; a longer one is passed on to the client. Default: 10s.'),
    }).prefault({}).describe('When a call is tried again: never once its client has a byte of an answer, and never when it may have been served.'),
    queue: section({
      below: percent('0%', '90%').prefault('10%').describe('Background calls wait while less than this share of one of the provider\'s limits is left, as its answers tell by key and class of models. 0%: they never wait. Default: 10%.'),
      max_wait: duration().prefault('30s').describe('How long one call may wait; then it is refused with `rate_limited`. Default: 30s.'),
      length: whole(1, 65_535).optional().describe('Calls that may wait at once; they count towards `max_in_flight`, and must be fewer. Where all places are taken, the workspace that has most of them gives its newest up to others. Left out: a quarter of `max_in_flight`.'),
    }).prefault({}).describe('Where background calls wait, workspace by workspace in turn, while the provider has little room left, so that interactive ones find some.'),
    failover: list(section({
      id: name().describe('The name of the place, shown beside each try that went there.'),
      origin: origin().optional().describe('Where it is. Left out: `origin` of the upstream, with other keys.'),
      keys: z.record(name(), credential(), { error: 'a mapping of names in upstream.keys to provider keys' }).describe('Its provider keys, as variables, each under the name in `upstream.keys` of the key that it stands in for. A call whose key has none here does not go there.'),
    }), 'places with an id and keys').prefault([]).describe('Where calls go when the provider cannot be reached, or answers with one of `retry.on`; tried in this order.'),
  }).prefault({}).describe('The provider.'),
  prices: section({
    file: words('a file').prefault('config/prices.yaml').describe('The price book. A relative path is looked up from the working directory, then from the folder of this file, then from the folder above. Default: config/prices.yaml.'),
    contract: words('a file').optional().describe('Prices of your own, which win over the price book for the models and days that they name; looked up like `file`. Left out: list prices only.'),
    unknown_model: choice(['ceiling', 'refuse']).prefault('ceiling').describe('A model without a price: `ceiling` counts it at the dearest price there is, `refuse` refuses the call. Default: ceiling.'),
    assume_us_inference: flag().prefault(false).describe("Whether the provider's workspace runs calls in the US unless they say otherwise, which costs 1.1 times as much on models that have it; budgets then hold it. Default: false."),
  }).prefault({}).describe('What calls cost.'),
  workspaces: list(workspace, 'workspaces').prefault([]).describe('Who pays. In open access, and where none is listed, there is a workspace `default` too.'),
  keys: list(key, 'keys').prefault([]).describe('Tollgate keys declared here; others are issued by `tollgate keys create`.'),
  limits: list(limitRule, 'limits').prefault([]).describe('How fast calls may come, by key and by class of models; beside the limits of workspaces and workflows.'),
  budgets: list(budget, 'budgets').prefault([]).describe('Limits in dollars.'),
  alerts: section({
    channels: z.record(name(), channel, { error: 'a mapping of names to channels' }).prefault({}).describe('Who is told, by name.'),
    anomaly: section({
      enabled: flag().prefault(true).describe('Whether to alert when an hour costs far more than that hour of the week does. Default: true.'),
      floor_usd_per_hour: usd().prefault('5').describe('An excess below this many dollars an hour is never an anomaly. Default: 5.'),
      deviations: whole(1, 100).prefault(4).describe('How many deviations above the median of past weeks an hour must be. Default: 4.'),
      weeks: whole(3, 52).prefault(8).describe('How many past weeks an hour is compared with. Default: 8.'),
      for: duration().prefault('20m').describe('How long it must last. Default: 20m.'),
    }).prefault({}).describe('Unusual spend.'),
    rules: section({
      pace: rule({
        spent: percent('1%', '100%').prefault('50%').describe('The share of a budget that must be spent. Default: 50%.'),
        factor: whole(2, 100).prefault(2).describe('How many times faster than the even pace. Default: 2.'),
      }, 'A budget of a week or longer is spent too fast.'),
      budget_refusing: rule({}, 'A hard budget refuses calls that can cost more than is left of it.'),
      forecast: rule({}, 'A budget will be exceeded before its period ends.'),
      errors: rule({
        objective: percent('50%', '99.99%').prefault('99%').describe('The share of calls that the provider should answer. Default: 99%.'),
        least: whole(1).prefault(10).describe('Fewer failures than this in a window are nobody\'s page. Default: 10.'),
      }, 'Calls fail at the provider or on the way.'),
      first_token: rule({
        objective: percent('50%', '99.99%').prefault('95%').describe('The share of answers that should begin in time. Default: 95%.'),
        slower_than: duration().prefault('10s').describe('How late an answer is slow. Default: 10s.'),
        least: whole(1).prefault(20).describe('Fewer slow answers than this in a window are nobody\'s page. Default: 20.'),
      }, 'Answers begin late.'),
      headroom: rule({
        warn_below: percent('0.1%', '100%').prefault('20%').describe('Less than this of a limit is left in five of ten minutes. Default: 20%.'),
        critical_below: percent('0.1%', '100%').prefault('10%').describe('The same, and critical. Default: 10%.'),
        limited: percent('0.01%', '100%').prefault('1%').describe('More than this share of the calls is answered with 429 by the provider. Default: 1%.'),
      }, 'Little room is left in the limits of the provider.'),
      provider_cap: rule({}, 'The provider refuses calls because money, credit or a spend limit has run out.'),
      key_unused: rule({
        after_days: list(whole(1, 3650), 'days').min(1, { error: 'at least one number of days' }).prefault([30, 90]).describe('Days without use. Default: 30, 90.'),
      }, 'A key is not used.'),
      key_leak: rule({}, 'A key is used as stolen keys are.'),
      no_traffic: rule({ least: whole(1).prefault(50).describe('An hour of the week that usually has fewer calls than this may have none. Default: 50.') }, 'No call comes in an hour of the week that is usually busy.'),
      unpriced: rule({}, 'A model has no price.'),
      usage_missing: rule({
        above: percent('0.1%', '100%').prefault('1%').describe('More than this share of the answers that came whole in an hour told no usage. Default: 1%.'),
        least: whole(1).prefault(5).describe('Fewer such answers than this are nobody\'s page. Default: 5.'),
      }, 'Answers do not tell what they used, so that their cost is estimated.'),
      ledger: rule({}, 'The ledger cannot be written.'),
      price_book: rule({ after_days: whole(1, 3650).prefault(30).describe('Days since prices were last checked. Default: 30.') }, 'The price book is old.'),
      reconciliation: rule({
        above: percent('0.1%', '100%').prefault('2%').describe("How far the ledger and the provider's bill of a day may be apart. Default: 2%."),
        floor_usd: usd().prefault('1').describe('Fewer dollars than this are nobody\'s page. Default: 1.'),
      }, "The ledger and the provider's bill disagree; looks where `reconciliation.admin_key` is set."),
      delivery: rule({}, 'Alerts do not reach a channel.'),
    }).prefault({}).describe('Which rules look, and from where on they speak. All do unless told.'),
    notify: list(name(), 'channel names').optional().describe('Channels that are told of what is no budget\'s, and of budgets that name none. Left out: every channel.'),
    private_addresses: flag().prefault(false).describe('Whether channels may be on this machine or in a private network. Addresses of cloud metadata never may. Default: false.'),
    group: duration().prefault('30s').describe('How long the first alert of a message waits for others. Default: 30s.'),
    dashboard_url: url().optional().describe('Where people open the dashboard, for links in messages. Left out: no links.'),
  }).prefault({}).describe('Who is told of what.'),
  reconciliation: section({
    admin_key: credential().prefault('').describe("An Admin key of the provider (sk-ant-admin…), as a variable: with it the gateway reads the organization's usage and cost reports, and compares them with the ledger. Empty: it does not."),
    workspaces: z.record(name(), words("the id of a workspace of the provider, or default"), { error: "a mapping of workspaces here to workspaces of the provider" }).prefault({}).describe("Which of the provider's workspaces the calls of each workspace go to, e.g. support: wrkspc_01…; `default` is the one without an id. Left out: everything is compared as one."),
  }).prefault({}).describe("The ledger beside the provider's bill, by UTC day."),
  telemetry: section({
    otlp: section({
      endpoint: z.union([z.literal(''), baseUrl()], { error: COLLECTOR }).describe('The address of the collector; `/v1/traces` and `/v1/metrics` are added to it. Empty: nothing is sent.'),
      protocol: choice(['http/protobuf', 'http/json']).prefault('http/protobuf').describe('How it is written. Default: http/protobuf.'),
      headers: z.record(otlpHeaderName(), otlpHeaderValue(), { error: 'a mapping of header names to values' }).prefault({}).describe('Headers for the collector, such as a credential, as variables. One whose variable is empty is left out.'),
      timeout: duration().prefault('10s').describe('For one request, retries included. Default: 10s.'),
      compression: choice(['none', 'gzip']).prefault('none').describe('Of request bodies. Default: none.'),
    }).describe('The OpenTelemetry protocol over HTTP. OTEL_* variables are not read.'),
    traces: section({
      enabled: flag().prefault(true).describe('Whether calls have spans, and pass the context of their trace on. Default: true.'),
      sample: percent('0%', '100%').prefault('100%').describe('The share of calls that is traced, where the caller does not say itself whether it is. Default: 100%.'),
    }).prefault({}).describe('A span for each call, and one below it for each try at the provider.'),
    metrics: section({
      enabled: flag().prefault(true).describe('Whether metrics are sent. Default: true.'),
      interval: duration().prefault('60s').describe('How often. Default: 60s.'),
      temporality: choice(['cumulative', 'delta']).prefault('cumulative').describe('Whether each report counts from the start or from the one before. Default: cumulative.'),
    }).prefault({}).describe('The histograms of the conventions for generative AI.'),
    resource_attributes: z.record(z.string({ error: RESOURCE }).regex(/^[a-z][a-z0-9_.-]{0,127}$/, { error: RESOURCE }), words('a text on one line'), { error: `a mapping of ${RESOURCE} to texts` }).prefault({}).describe('What the collector is told of this gateway, e.g. deployment.environment.name: production. `service.name` is tollgate unless told.'),
  }).optional().describe('OpenTelemetry: spans and metrics of calls for a collector, never a prompt, an answer or a key. Left out: off.'),
  retention: section({
    requests_days: whole(1, 36_500).prefault(90).describe('Days that single requests are kept; totals by hour and day stay. Default: 90.'),
  }).prefault({}).describe('How long data is kept.'),
  savings: section({
    prefix_hashes: flag().prefault(true).describe('Whether keyed hashes of the beginnings of prompts are kept with each request, by which the savings advisor sees what repeats. No text is kept. Default: true.'),
  }).prefault({}).describe('The savings advisor.'),
  public_url: baseUrl().optional().describe('What apps reach `listen` by, where that is not what they send as Host, e.g. behind a proxy that ends TLS: https://claude.example.com. Left out: as each app reached it.'),
  batches: section({
    poll: duration().prefault('60s').describe('How often to ask the provider whether a message batch has ended, so that its results are booked. Default: 60s.'),
  }).prefault({}).describe('Message batches.'),
  on_abort: choice(['cut', 'drain']).prefault('cut').describe('When a client leaves a stream: `cut` ends it upstream too and estimates what it cost, `drain` reads on to the exact usage. Default: cut.'),
  drain_abort: section({
    max: whole(0, 65_535).prefault(100).describe('Answers read on at once; one more is cut. Default: 100.'),
    for: duration().prefault('600s').describe('How long each is read on before it is cut. Default: 600s.'),
  }).prefault({}).describe('Caps on answers that are read to their end after their client left: streams where `on_abort` is `drain`, and all that are not streams.'),
  body: section({
    messages: bytes().prefault('32MB').describe('The largest body of a message. Default: 32MB.'),
    batches: bytes().prefault('256MB').describe('The largest body of a batch. Default: 256MB.'),
    files: bytes().prefault('500MB').describe('The largest file. Default: 500MB.'),
    held: bytes().prefault('256MB').describe('Bodies held in memory at once, all together. Default: 256MB.'),
  }).prefault({}).describe('How large request bodies may be. A KB is 1,024 bytes.'),
  clients: section({
    headers_timeout: duration().prefault('10s').describe('To send a whole request head. Default: 10s.'),
    body_rate: bytes().prefault('1KB').describe('The least that a request body may come at, per second, once ten seconds have passed. Default: 1KB.'),
    write_stall: duration().prefault('60s').describe('A client that takes nothing of its answer for this long is taken for gone. Default: 60s.'),
    connections: whole(1, 1_000_000).prefault(10_000).describe('Connections at most, all together. Default: 10000.'),
    connections_per_address: whole(1, 1_000_000).optional().describe('Connections from one address at most. Left out: no limit, since all of a house may come through one proxy.'),
  }).prefault({}).describe('What is asked of clients, so that slow and idle ones cost little.'),
  max_in_flight: whole(1, 65_535).prefault(2000).describe('Calls in flight at once, all together. Default: 2000.'),
  drain: duration().prefault('30s').describe('How long streams may go on after SIGTERM. Default: 30s.'),
  ledger: section({
    durability: choice(['full', 'normal']).prefault('full').describe('`full` survives a power cut; `normal` may lose the last second then, and is faster. Both survive a crash of the gateway. Default: full.'),
  }).prefault({}).describe('The database.'),
  log: section({
    level: choice(['debug', 'info', 'warn', 'error']).prefault('info').describe('The least that is logged. Default: info.'),
  }).prefault({}).describe('The log. It never holds prompts, answers or keys.'),
});

/** The config as parsed: every default filled in, every value in its unit; cross references not checked yet. */
export type Config = z.output<typeof configSchema>;
