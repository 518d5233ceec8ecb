// server/store/sqlite/migrations.ts: the tables of the ledger, as an ordered list of steps that each run once, in a transaction.

import type { Database } from 'better-sqlite3';

/** `Toll` in ASCII, in the file's header: tells our file from any other program's. */
export const APPLICATION_ID = 0x546f6c6c;

/**
 * Which buckets a roll-up row belongs to. All three hold the same measures of the same calls, so a query reads exactly one of
 * them: hours for ranges of days, days for ranges of months, and days by user only where a user is asked for, so that many
 * users make nothing else slower. `user` is 0 in the first two.
 */
export const GRAIN = { hour: 1, day: 2, userDay: 3 } as const;

/** The id of "none" in `name`; its text is empty. */
export const NO_NAME = 0;

/**
 * Conventions of every table: times are milliseconds since the epoch, durations whole microseconds (`_us`), money whole
 * nano-dollars, flags 0 or 1. A column typed `INTEGER` and commented "name" holds an id of `name`, 0 where there is none.
 * Nothing of a prompt, an answer or a secret has a column.
 */
const FIRST = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  -- Workspaces, workflows, users, keys and models, spelled once: rows and roll-ups carry a small integer. Ids are never reused.
  CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
  INSERT INTO name (id, text) VALUES (0, '');

  -- Every price row that a call was ever quoted or billed with, as JSON with bigints as strings. Never changed, never deleted.
  CREATE TABLE price_version (id INTEGER PRIMARY KEY, version TEXT NOT NULL UNIQUE, content TEXT NOT NULL) STRICT;

  -- One row per call, in order of admission (n grows). The columns up to decisions are written before the first byte goes
  -- upstream, the others once, when the call ends; outcome is NULL until then. A refused call is a row of outcome 'refused'.
  CREATE TABLE call (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    admitted_at INTEGER NOT NULL,
    workspace INTEGER NOT NULL,        -- name
    workflow INTEGER NOT NULL,         -- name
    key INTEGER NOT NULL,              -- name
    user INTEGER NOT NULL,             -- name
    model INTEGER NOT NULL,            -- name; what reports file the call under: model_served, else model_sent; where refused, what was asked for
    model_sent INTEGER NOT NULL,       -- name; what budgets by model compare
    model_served INTEGER NOT NULL DEFAULT 0, -- name
    model_requested TEXT,              -- as the client wrote it; NULL where it is the same as model_sent
    endpoint TEXT NOT NULL,
    stream INTEGER NOT NULL,
    background INTEGER NOT NULL,       -- 1 where the client's priority was background
    client_retry INTEGER,
    held INTEGER NOT NULL,
    price INTEGER,                     -- price_version of the quote, and of the bill once there is one
    outcome TEXT,
    ended_at INTEGER,
    status INTEGER,
    refusal TEXT,
    input INTEGER NOT NULL DEFAULT 0,
    cache_write_5m INTEGER NOT NULL DEFAULT 0,
    cache_write_1h INTEGER NOT NULL DEFAULT 0,
    cache_read INTEGER NOT NULL DEFAULT 0,
    output INTEGER NOT NULL DEFAULT 0,
    web_search INTEGER NOT NULL DEFAULT 0,
    web_fetch INTEGER NOT NULL DEFAULT 0,
    code_execution INTEGER NOT NULL DEFAULT 0,
    cost INTEGER NOT NULL DEFAULT 0,
    cache_savings INTEGER NOT NULL DEFAULT 0,
    estimated INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 1, -- tries on the wire; 0 where refused
    duration_us INTEGER,
    ttft_us INTEGER,                   -- time to first token
    overhead_us INTEGER,
    request_bytes INTEGER,
    response_bytes INTEGER,
    basis TEXT,                        -- listed, ceiling or free
    stop_reason TEXT,
    error_type TEXT,
    estimate_method TEXT,
    speed TEXT,
    service_tier TEXT,
    inference_geo TEXT,
    upstream_request_id TEXT,
    session TEXT,
    action TEXT,
    tags TEXT,                         -- JSON object; NULL where empty
    more_prices TEXT,                  -- JSON array of price_version ids beyond price; NULL where there are none
    parts TEXT,                        -- JSON array of usage parts; NULL where the usage had no iterations
    decisions TEXT                     -- JSON array of [rule, verdict] or [rule, verdict, detail]; NULL where no rule was asked
  ) STRICT;
  CREATE INDEX call_admitted ON call (admitted_at);
  CREATE INDEX call_workflow ON call (workflow, admitted_at);
  CREATE INDEX call_key ON call (key, admitted_at) WHERE key <> 0;
  CREATE INDEX call_user ON call (user, admitted_at) WHERE user <> 0;
  CREATE INDEX call_session ON call (session, admitted_at) WHERE session IS NOT NULL;
  CREATE INDEX call_action ON call (action, admitted_at) WHERE action IS NOT NULL;
  CREATE INDEX call_not_ok ON call (outcome, admitted_at) WHERE outcome <> 'ok';
  CREATE INDEX call_open ON call (n) WHERE outcome IS NULL;

  -- Tries of a call on the wire. The call's own row stands for the first one while it is open; a further one is written before it
  -- goes upstream, with a NULL outcome until the call ends.
  CREATE TABLE attempt (
    call INTEGER NOT NULL,
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    outcome TEXT,
    status INTEGER,
    headers_us INTEGER,
    duration_us INTEGER,
    upstream_request_id TEXT,
    error_type TEXT,
    PRIMARY KEY (call, number)
  ) STRICT, WITHOUT ROWID;

  -- Sums over ended calls, refused ones included, by time of admission: bucket is the instant at which the local hour or day of
  -- the zone in meta.timezone begins. Written in the transaction that ends the call, so they never disagree with the rows.
  -- The sketches (see sketch.ts) count durations and times to first token in microseconds; refused calls are in neither.
  CREATE TABLE rollup (
    grain INTEGER NOT NULL,            -- 1 hour, 2 day, 3 day by user
    bucket INTEGER NOT NULL,
    workspace INTEGER NOT NULL,        -- name
    workflow INTEGER NOT NULL,         -- name
    key INTEGER NOT NULL,              -- name
    user INTEGER NOT NULL,             -- name; 0 in grains 1 and 2
    model INTEGER NOT NULL,            -- name
    model_sent INTEGER NOT NULL,       -- name
    endpoint TEXT NOT NULL,
    outcome TEXT NOT NULL,
    calls INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    output INTEGER NOT NULL,
    web_search INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    estimated_cost INTEGER NOT NULL,
    cache_savings INTEGER NOT NULL,
    duration BLOB NOT NULL,
    ttft BLOB NOT NULL,
    PRIMARY KEY (grain, bucket, workspace, workflow, key, user, model, model_sent, endpoint, outcome)
  ) STRICT, WITHOUT ROWID;

  -- Who changed what. hash is the SHA-256 of the row before and this one's content, so that a line cannot be changed or taken out unseen.
  CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL
  ) STRICT;
  CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
  CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

  -- Keys issued here; those declared in the config never enter the database. A rotated key has two secrets for a while.
  CREATE TABLE virtual_key (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    workflow TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE key_secret (
    hash TEXT PRIMARY KEY,             -- SHA-256, lower-case hex
    key TEXT NOT NULL REFERENCES virtual_key (id),
    hint TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ends_at INTEGER                    -- NULL for the secret in force
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX key_secret_key ON key_secret (key);
`;

const BATCHES = `
  ALTER TABLE call ADD COLUMN batch INTEGER;  -- batch.n: of the call that created a batch, and of each row booked from its results
  ALTER TABLE call ADD COLUMN custom_id TEXT; -- of an item, as the client named it
  CREATE UNIQUE INDEX call_batch_item ON call (batch, custom_id) WHERE batch IS NOT NULL;

  -- A batch that the provider took. Its rows in call, and the one of its creation, outlive retention until it has ended.
  CREATE TABLE batch (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,           -- the provider's
    call INTEGER NOT NULL,             -- call.n of its creation
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    credential TEXT,                   -- the name of a provider key; NULL where it was the caller's own
    models TEXT NOT NULL,              -- JSON array of {model, items, held, basis, likely, price}; held in nano-dollars as text, price an id of price_version
    state TEXT NOT NULL                -- open, booked or estimated
  ) STRICT;
  CREATE INDEX batch_open ON batch (n) WHERE state = 'open';

  -- Which workspace made what at the provider: batches, files, skills.
  CREATE TABLE object (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    workspace TEXT NOT NULL,
    credential TEXT,                   -- as in batch
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

const ALERTS = `
  -- Where each alert stands, by rule, scope and period. A resolved one stays for a while, so that a threshold is told once.
  CREATE TABLE alert_state (
    fingerprint TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    state TEXT NOT NULL,               -- pending, firing, acked or resolved
    updated_at INTEGER NOT NULL,
    content TEXT NOT NULL              -- JSON, the whole of it
  ) STRICT, WITHOUT ROWID;

  -- What is to be told, until it is: written before it is sent, so that a crash sends it again rather than never.
  CREATE TABLE alert_message (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,               -- gathering, held, sending, sent, dead or collapsed
    due_at INTEGER NOT NULL,
    content TEXT NOT NULL              -- JSON, the whole of it
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX alert_message_open ON alert_message (due_at) WHERE state IN ('gathering', 'held', 'sending');

  -- Every try of a message. No address, no secret.
  CREATE TABLE alert_delivery (
    id TEXT PRIMARY KEY,
    message TEXT NOT NULL,
    channel TEXT NOT NULL,
    rule TEXT NOT NULL,
    at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    result TEXT NOT NULL,              -- delivered, retry, dead or collapsed
    status INTEGER,
    ms INTEGER NOT NULL,
    detail TEXT NOT NULL,
    next_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX alert_delivery_at ON alert_delivery (at);
`;

/** Corrections of what settled calls cost. The row of the call stays as it was; roll-ups take up the differences in the same transaction. */
const CORRECTIONS = `
  CREATE TABLE correction (
    id INTEGER PRIMARY KEY,
    call INTEGER NOT NULL,             -- call.n
    at INTEGER NOT NULL,
    run TEXT NOT NULL,                 -- what made it; a call is corrected once per run
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    cost INTEGER NOT NULL,             -- this and the next two are differences, and may be negative
    estimated_cost INTEGER NOT NULL,
    cache_savings INTEGER NOT NULL,
    estimated INTEGER NOT NULL,        -- from here on: what holds of the call from now on
    estimate_method TEXT,
    basis TEXT NOT NULL,
    price INTEGER NOT NULL,            -- price_version
    more_prices TEXT,
    UNIQUE (call, run)
  ) STRICT;
`;

const GRANTS = `
  -- Temporary raises of budgets. One is over at its end or when it was revoked, whichever comes first; rows are never deleted.
  CREATE TABLE budget_grant (
    id TEXT PRIMARY KEY,
    budget TEXT NOT NULL,
    amount INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    revoked_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX budget_grant_until ON budget_grant (until);
`;

/** What the savings advisor reads beside the figures, and what people decided about its findings. */
const SAVINGS = `
  ALTER TABLE call ADD COLUMN prompt TEXT; -- lengths and keyed hashes of the prompt's prefixes (identify/prompt-marks.ts); NULL where none were taken

  -- One row per finding that someone has touched; the others are open.
  CREATE TABLE saving (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,               -- open, doing, done or dismissed
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    owner TEXT,
    reason TEXT,
    baseline TEXT                      -- JSON: what the work cost before it was done; NULL before that
  ) STRICT, WITHOUT ROWID;
`;

const FAILOVER = `
  ALTER TABLE attempt ADD COLUMN failover TEXT; -- the place it went to; NULL: the upstream's own origin
`;

const SILENCES = `
  -- Alerts that somebody wants no messages about for a while. Over at its end or when it was lifted, whichever comes first.
  CREATE TABLE alert_silence (
    id TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    content TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

const FOLDS = `
  -- Sums of time that is over, gathered for reports: see fold-views.ts. Worked out from the tables above and never the only place of anything.
  CREATE TABLE fold (
    grain INTEGER NOT NULL,            -- 1 hour, 2 day, 3 block of eight days
    bucket INTEGER NOT NULL,           -- the instant at which it begins
    view INTEGER NOT NULL,
    part INTEGER NOT NULL,
    content BLOB NOT NULL,             -- see fold-format.ts
    PRIMARY KEY (grain, bucket, view, part)
  ) STRICT, WITHOUT ROWID;

  -- The folds that are whole and true; what else is in fold is left over, or on its way.
  CREATE TABLE fold_done (
    grain INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (grain, bucket)
  ) STRICT, WITHOUT ROWID;
`;

const KEY_MARKS = `
  -- From which networks and with which client software each key is used, as keyed hashes: see alert/key-signs.ts.
  CREATE TABLE key_mark (
    key TEXT NOT NULL,
    kind TEXT NOT NULL,                -- network or client
    mark TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (key, kind, mark)
  ) STRICT, WITHOUT ROWID;
`;

const FOLDS_ANEW = `
  -- Folds have more views than before: all are made anew, a little at a time.
  DELETE FROM fold_done;
`;

const TOLD_LIMITS = `
  -- What the answer told of the provider's limits (limits-text.ts), empty where it told nothing; NULL where nobody read its headers, as of attempts before this step.
  ALTER TABLE attempt ADD COLUMN limits TEXT;
`;

const TRACES = `
  ALTER TABLE call ADD COLUMN trace BLOB; -- the 16 bytes of the trace id that the client sent; NULL where it sent none
  CREATE INDEX call_trace ON call (trace, admitted_at) WHERE trace IS NOT NULL;
  -- Holds all that is asked to find the newest traces of a workflow.
  CREATE INDEX call_traced ON call (workflow, workspace, admitted_at, trace) WHERE trace IS NOT NULL;
`;

const VERDICTS = `
  -- What rules said of calls, other than that they may pass: a row per call and rule. Most calls have none.
  CREATE TABLE verdict (
    rule INTEGER NOT NULL,             -- name; 0 for a refusal that no rule of the configuration made
    at INTEGER NOT NULL,               -- call.admitted_at
    call INTEGER NOT NULL,             -- call.n
    verdict INTEGER NOT NULL,          -- 1 refuse, 2 would_refuse, 3 would_rewrite, 4 rewrite; an alias that is resolved is no verdict
    PRIMARY KEY (rule, at, call)
  ) STRICT, WITHOUT ROWID;

  CREATE TEMP TABLE said AS
    SELECT n, admitted_at AS at, json_extract(one.value, '$[0]') AS rule, json_extract(one.value, '$[1]') AS verdict
    FROM call, json_each(call.decisions) AS one
    WHERE (instr(call.decisions, '"would_') > 0 OR instr(call.decisions, '"refuse"') > 0 OR instr(call.decisions, '"cheaper_models:') > 0)
      AND (json_extract(one.value, '$[1]') IN ('refuse', 'would_refuse', 'would_rewrite') OR (json_extract(one.value, '$[1]') = 'rewrite' AND json_extract(one.value, '$[0]') GLOB 'cheaper_models:*'));
  INSERT OR IGNORE INTO name (text) SELECT DISTINCT rule FROM said;
  INSERT OR IGNORE INTO verdict SELECT name.id, said.at, said.n, CASE said.verdict WHEN 'refuse' THEN 1 WHEN 'would_refuse' THEN 2 WHEN 'would_rewrite' THEN 3 ELSE 4 END
    FROM said JOIN name ON name.text = said.rule ORDER BY 1, 2, 3;
  -- The index of calls that did not go well serves only who says that he wants such.
  INSERT OR IGNORE INTO verdict SELECT 0, admitted_at, n, 1 FROM call WHERE outcome = 'refused' AND outcome <> 'ok' AND n NOT IN (SELECT n FROM said WHERE verdict = 'refuse');
  DROP TABLE said;

  -- Folds hold them too: all are made anew, a little at a time.
  DELETE FROM fold_done;
`;

const CLIENT_WAITS = `
  ALTER TABLE attempt ADD COLUMN client_wait_us INTEGER; -- the part of duration_us in which the client took nothing; NULL for attempts before this step
`;

/** The steps in order; the schema's version is how many have run. A released step is never edited: a change is a new step. */
export const MIGRATIONS: readonly string[] = [FIRST, BATCHES, ALERTS, CORRECTIONS, GRANTS, SAVINGS, FAILOVER, SILENCES, FOLDS, KEY_MARKS, FOLDS_ANEW, TOLD_LIMITS, TRACES, VERDICTS, FOLDS_ANEW, CLIENT_WAITS];

/** What `PRAGMA user_version` says of a file that this program wrote. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings an empty or older ledger to the current version, each step in a transaction of its own, so that a kill in the midst of
 * it leaves a whole older version. The caller has checked that the file is ours and not newer.
 */
export function migrate(db: Database): void {
  for (let version = db.pragma('user_version', { simple: true }) as number; version < MIGRATIONS.length; version++) {
    db.transaction(() => {
      db.exec(MIGRATIONS[version] as string);
      db.pragma(`application_id = ${APPLICATION_ID}`);
      db.pragma(`user_version = ${version + 1}`);
    }).immediate();
  }
}
