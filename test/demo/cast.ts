// test/demo/cast.ts: who uses the Claude API in the demo's company, for what, and when: a lamp maker with a shop and a magazine.

/** When a workflow is busy. `office`: working hours; `always`: customers write in the evening too; `night`: jobs from 01:00 on. */
export type Shape = 'office' | 'always' | 'night';

export type Range = readonly [from: number, to: number];

export interface Part {
  readonly workspace: string;
  readonly workflow: string;
  readonly key: string;
  readonly secret: string;
  /** Of all calls. */
  readonly share: number;
  readonly shape: Shape;
  readonly users: readonly string[];
  /** Model as sent, with its weight. */
  readonly models: readonly (readonly [model: string, weight: number])[];
  /** What the client writes instead of the model's name, where it uses an alias. */
  readonly alias?: string;
  readonly stream: boolean;
  readonly maxTokens: number;
  /** Calls of one session, one after the other; 1 is a call of its own. */
  readonly turns: Range;
  /** Tokens of the prompt that are marked for the cache: what all calls share, or what a session begins with. */
  readonly cached: Range | null;
  /** Tokens that come on top with each call. */
  readonly fresh: Range;
  readonly output: Range;
  /** The chance that a call searches the web. */
  readonly searches: number;
  /** Tokens at the start of each prompt that are always the same and not cached, within `fresh`: waste, for the savings page to find. */
  readonly shared?: number;
  /** The prompt begins with the time of day, so that its cache breaks with each call: waste too. */
  readonly changing?: boolean;
  /** The chance that a call is another one of its day, made again: waste too. */
  readonly again?: number;
  readonly thinking?: boolean;
  /** Its app sends a trace id, one for each conversation. */
  readonly traced?: boolean;
}

export const CAST: readonly Part[] = [
  {
    workspace: 'support', workflow: 'ticket-triage', key: 'triage-prod', secret: 'tg_demo_ticket_triage_5d1c',
    share: 0.52, shape: 'always', users: ['amira', 'jonas', 'lena', 'tomasz'], models: [['claude-haiku-4-5', 1]], alias: 'fast',
    stream: false, maxTokens: 16, turns: [1, 1], cached: [4_827, 4_827], fresh: [30, 240], output: [2, 5], searches: 0,
  },
  {
    workspace: 'support', workflow: 'reply-draft', key: 'reply-prod', secret: 'tg_demo_reply_draft_91aa',
    share: 0.1, shape: 'office', users: ['amira', 'jonas', 'lena', 'tomasz', 'sofie'], models: [['claude-sonnet-4-6', 0.8], ['claude-sonnet-5-5', 0.2]],
    stream: true, maxTokens: 1_024, turns: [1, 3], cached: [3_200, 3_200], fresh: [180, 900], output: [90, 420], searches: 0,
  },
  {
    workspace: 'marketing', workflow: 'product-descriptions', key: 'catalogue-job', secret: 'tg_demo_product_texts_c3f0',
    share: 0.09, shape: 'night', users: ['catalogue-job'], models: [['claude-sonnet-4-6', 1]],
    stream: false, maxTokens: 600, turns: [1, 1], cached: null, fresh: [3_420, 3_840], output: [150, 320], searches: 0, shared: 3_200,
  },
  {
    workspace: 'marketing', workflow: 'campaign-ideas', key: 'campaigns', secret: 'tg_demo_campaign_ideas_77be',
    share: 0.03, shape: 'office', users: ['noor', 'henrik'], models: [['claude-opus-5-5', 0.3], ['claude-sonnet-5', 0.7]],
    stream: true, maxTokens: 4_096, turns: [2, 7], cached: [1_400, 6_000], fresh: [60, 500], output: [300, 1_600], searches: 0.12, changing: true, thinking: true,
  },
  {
    workspace: 'editorial', workflow: 'writing-assistant', key: 'magazine', secret: 'tg_demo_writing_assist_0b42',
    share: 0.07, shape: 'office', users: ['ines', 'karl', 'mette', 'david', 'yuki'], models: [['claude-opus-4-8', 0.7], ['claude-sonnet-4-6', 0.3]],
    stream: true, maxTokens: 2_000, turns: [3, 12], cached: [1_200, 5_000], fresh: [40, 320], output: [120, 900], searches: 0, thinking: true, traced: true,
  },
  {
    workspace: 'editorial', workflow: 'fact-check', key: 'magazine', secret: '',
    share: 0.02, shape: 'office', users: ['ines', 'mette'], models: [['claude-sonnet-5', 1]],
    stream: true, maxTokens: 2_000, turns: [1, 2], cached: null, fresh: [900, 3_200], output: [200, 800], searches: 0.9,
  },
  {
    workspace: 'engineering', workflow: 'coding-agent', key: 'agents', secret: 'tg_demo_coding_agent_e8d6',
    share: 0.13, shape: 'office', users: ['ada', 'bjarne', 'chen', 'dora', 'emil', 'farah'], models: [['claude-opus-5-5', 0.45], ['claude-sonnet-5-5', 0.55]],
    stream: true, maxTokens: 16_000, turns: [8, 34], cached: [18_000, 60_000], fresh: [200, 3_500], output: [80, 1_800], searches: 0, thinking: true,
  },
  {
    workspace: 'engineering', workflow: 'code-review', key: 'ci', secret: 'tg_demo_code_review_41c9',
    share: 0.04, shape: 'office', users: ['ci'], models: [['claude-sonnet-4-6', 0.6], ['claude-haiku-5-5', 0.4]],
    stream: false, maxTokens: 4_096, turns: [1, 1], cached: [2_600, 2_600], fresh: [1_500, 14_000], output: [200, 1_200], searches: 0, again: 0.07,
  },
];

/** Busy-ness by hour of the local day. */
const HOURS: Readonly<Record<Shape, readonly number[]>> = {
  office: [0, 0, 0, 0, 0, 0, 0.1, 0.4, 1.1, 1.6, 1.8, 1.7, 1.0, 1.3, 1.8, 1.9, 1.6, 1.0, 0.4, 0.2, 0.15, 0.1, 0.05, 0],
  always: [0.15, 0.1, 0.08, 0.06, 0.08, 0.15, 0.4, 0.8, 1.3, 1.6, 1.6, 1.4, 1.2, 1.2, 1.3, 1.4, 1.4, 1.3, 1.3, 1.5, 1.6, 1.2, 0.7, 0.35],
  night: [0.4, 4.2, 4.8, 3.9, 1.2, 0.2, 0, 0, 0.2, 0.5, 0.7, 0.6, 0.4, 0.5, 0.6, 0.4, 0.3, 0, 0, 0, 0, 0, 0, 0.1],
};

/** Monday first. */
const DAYS: Readonly<Record<Shape, readonly number[]>> = {
  office: [1.15, 1.2, 1.15, 1.1, 0.9, 0.08, 0.05],
  always: [1.3, 1.1, 1.05, 1.0, 1.0, 0.75, 0.8],
  night: [1, 1, 1, 1, 1, 0.3, 0.3],
};

const MEAN = Object.fromEntries((Object.keys(HOURS) as Shape[]).map((shape) => [shape, (sum(HOURS[shape]) / 24) * (sum(DAYS[shape]) / 7)])) as Record<Shape, number>;

/** How busy an hour is against the mean hour of a week; 1 is as busy as the mean. @param weekday 1 is Monday */
export function busyness(shape: Shape, weekday: number, hour: number): number {
  return ((HOURS[shape][hour] ?? 0) * (DAYS[shape][weekday - 1] ?? 0)) / MEAN[shape];
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/** Milliseconds to the first token, and tokens a second after it, by model family. */
export function speedOf(model: string): { firstMs: Range; tokensPerSecond: number } {
  if (model.includes('haiku')) return { firstMs: [280, 700], tokensPerSecond: 140 };
  if (model.includes('sonnet')) return { firstMs: [520, 1_500], tokensPerSecond: 78 };
  return { firstMs: [900, 2_600], tokensPerSecond: 58 };
}
