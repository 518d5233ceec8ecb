// test/standin/models.ts: the models that the stand-in serves, with the figures of theirs that change what a call costs.

export interface StandinModel {
  /** What the response names as served: the dated id where the model has one. */
  readonly id: string;
  readonly alias: string | null;
  readonly name: string;
  readonly line: 'haiku' | 'sonnet' | 'opus' | 'fable' | 'mythos';
  readonly lifecycle: 'active' | 'deprecated';
  readonly createdAt: string;
  readonly retiresAt: string | null;
  readonly context: number;
  readonly maxOutput: number;
  /** Prompts shorter than this are not cached, without an error. */
  readonly minCacheable: number;
  /** Models from 4.7 on cut the same text into about 30 % more tokens. */
  readonly tokenizer: 'older' | 'newer';
  /** `ignored`: takes `speed: fast`, runs at standard speed and says so. */
  readonly fast: 'yes' | 'no' | 'ignored';
  /** False: `inference_geo` in a request is refused. */
  readonly geo: boolean;
}

type Row = [id: string, name: string, line: StandinModel['line'], createdAt: string, minCacheable: number, more?: Partial<StandinModel>];

// Figures: Anthropic's model and prompt-caching pages, and the catalogue inside Claude Code 2.1.329, November 2026.
const rows: Row[] = [
  ['claude-fable-5-2', 'Claude Fable 5.2', 'fable', '2026-10-21', 512, { fast: 'yes' }],
  ['claude-mythos-5-2', 'Claude Mythos 5.2', 'mythos', '2026-10-21', 512, { fast: 'yes' }],
  ['claude-haiku-5-5', 'Claude Haiku 5.5', 'haiku', '2026-10-07', 512],
  ['claude-sonnet-5-5', 'Claude Sonnet 5.5', 'sonnet', '2026-09-16', 512],
  ['claude-opus-5-5', 'Claude Opus 5.5', 'opus', '2026-09-16', 512, { fast: 'yes' }],
  ['claude-fable-5-1', 'Claude Fable 5.1', 'fable', '2026-08-26', 512],
  ['claude-mythos-5-1', 'Claude Mythos 5.1', 'mythos', '2026-08-26', 512],
  ['claude-sonnet-5', 'Claude Sonnet 5', 'sonnet', '2026-06-30', 1024],
  ['claude-fable-5', 'Claude Fable 5', 'fable', '2026-06-09', 512],
  ['claude-mythos-5', 'Claude Mythos 5', 'mythos', '2026-06-09', 512],
  ['claude-opus-5', 'Claude Opus 5', 'opus', '2026-07-22', 512, { fast: 'yes' }],
  ['claude-opus-4-8', 'Claude Opus 4.8', 'opus', '2026-05-28', 1024, { fast: 'yes' }],
  ['claude-opus-4-7', 'Claude Opus 4.7', 'opus', '2026-04-16', 2048],
  ['claude-sonnet-4-6', 'Claude Sonnet 4.6', 'sonnet', '2026-02-17', 1024, { tokenizer: 'older' }],
  ['claude-opus-4-6', 'Claude Opus 4.6', 'opus', '2026-02-05', 4096, { tokenizer: 'older', fast: 'ignored' }],
  ['claude-opus-4-5-20251101', 'Claude Opus 4.5', 'opus', '2025-11-24', 4096, { alias: 'claude-opus-4-5', tokenizer: 'older', context: 200_000, maxOutput: 64_000, geo: false }],
  ['claude-haiku-4-5-20251001', 'Claude Haiku 4.5', 'haiku', '2025-10-15', 4096, { alias: 'claude-haiku-4-5', tokenizer: 'older', context: 200_000, maxOutput: 64_000, geo: false }],
  ['claude-sonnet-4-5-20250929', 'Claude Sonnet 4.5', 'sonnet', '2025-09-29', 1024, { alias: 'claude-sonnet-4-5', tokenizer: 'older', context: 200_000, maxOutput: 64_000, geo: false, lifecycle: 'deprecated', retiresAt: '2026-11-30T00:00:00Z' }],
];

/** Newest first, as the API lists them. */
export const MODELS: readonly StandinModel[] = rows
  .map(([id, name, line, createdAt, minCacheable, more]): StandinModel => ({
    id, name, line, minCacheable,
    createdAt: `${createdAt}T00:00:00Z`,
    alias: null, lifecycle: 'active', retiresAt: null, context: 1_000_000, maxOutput: 128_000, tokenizer: 'newer', fast: 'no', geo: true,
    ...more,
  }))
  .sort((a, b) => b.createdAt.localeCompare(a.createdAt));

const byName = new Map(MODELS.flatMap((m) => [[m.id, m] as const, ...(m.alias === null ? [] : [[m.alias, m] as const])]));

/** Null for a model that the API does not know (any more). */
export const findModel = (name: string): StandinModel | null => byName.get(name) ?? null;
