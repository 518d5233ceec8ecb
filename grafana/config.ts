// grafana/config.ts: the figures that boards, recording rules and alerts are made from, in one place.

/** Availability that is promised: 99.5 % of the calls that count. */
export const ERROR_BUDGET = 0.005;
/** A first token within 2.5 s for 95 % of the streams. The bound is a bucket's, and no whole number, so that its text is the same in every version of Prometheus. */
export const SLOW_BUDGET = 0.05;
export const SLOW_ABOVE_SECONDS = '2.5';

/** Windows of the burn rates, shortest first. */
export const BURN_WINDOWS = ['5m', '30m', '1h', '2h', '6h', '1d', '3d'] as const;
export type BurnWindow = (typeof BURN_WINDOWS)[number];

/** How many times faster than allowed the error budget burns: at 14.4 a 30-day budget is gone in two days. */
export const BURN = { fast: 14.4, medium: 6, slow: 3, even: 1 } as const;

export const BUDGET_NEAR = 0.8;
export const HEADROOM_LOW = 0.1;
export const PRICE_BOOK_STALE_DAYS = 30;
/** The share of whole answers that may tell no usage. */
export const USAGE_MISSING = 0.01;
export const RECONCILIATION = { amber: 0.01, red: 0.02 } as const;

/** The name under which Prometheus scrapes the gateway. */
export const JOB = 'tollgate';

/** Where links lead. The generator takes others: `--grafana-url`, `--tollgate-url`, `--runbook-url`. */
export interface Addresses {
  readonly grafana: string;
  readonly tollgate: string;
  readonly runbooks: string;
}
export const LOCAL: Addresses = { grafana: 'http://127.0.0.1:3000', tollgate: 'http://127.0.0.1:4101', runbooks: 'grafana/runbooks.md' };

/** Raised with every change of a board, so that Grafana takes the file over what it has. */
export const BOARD_VERSION = 1;
export const BOARDS = {
  overview: { uid: 'tollgate-overview', title: 'Tollgate / Overview', file: 'overview.json' },
  cost: { uid: 'tollgate-cost', title: 'Tollgate / Cost', file: 'cost.json' },
  reliability: { uid: 'tollgate-reliability', title: 'Tollgate / Reliability & limits', file: 'reliability.json' },
  caching: { uid: 'tollgate-caching', title: 'Tollgate / Caching & savings', file: 'caching.json' },
  internals: { uid: 'tollgate-internals', title: 'Tollgate / Gateway internals', file: 'internals.json' },
} as const;
export type BoardName = keyof typeof BOARDS;
