// server/batch/quote-batch.ts: what a batch may cost at most, item by item and by model, and whether every item is allowed.

import { setImmediate as pause } from 'node:timers/promises';
import type { Clearance, Share } from '../domain/admission.ts';
import type { BatchModel } from '../domain/batch.ts';
import type { Ask, BatchItemAsk, Decision } from '../domain/call.ts';
import type { EpochMs } from '../domain/ids.ts';
import { nanodollars, NO_MONEY, type Nanodollars } from '../domain/money.ts';
import type { ContainerUse, Quote } from '../domain/price.ts';
import { granted, refused, type Verdict } from '../domain/refusal.ts';

export interface BatchRules {
  readonly clear: (ask: Ask) => Verdict<Clearance>;
  /** At the rates of batches. */
  readonly quote: (ask: Ask, model: string, flatHold: Nanodollars | undefined) => Verdict<Quote>;
  readonly at: EpochMs;
}

export interface BatchQuote {
  readonly clearance: Clearance;
  /** The sum of the items' quotes; `row` and `model` null where there are several models. */
  readonly quote: Quote;
  readonly shares: readonly Share[];
  readonly models: readonly BatchModel[];
  /** Aliases to be put right in the body, in its order. */
  readonly edits: readonly { readonly span: readonly [number, number]; readonly model: string }[];
}

/** Items between two pauses, so that a large batch does not hold up streams. */
const SLICE = 500;

/** The quote of a whole batch, or the refusal of its first item that is not allowed. Each item passes the rules as a call would. */
export async function quoteBatch(items: readonly BatchItemAsk[], rules: BatchRules): Promise<Verdict<BatchQuote>> {
  const sums = new Map<string, { items: number; held: bigint; quote: Quote; likely: number; container: ContainerUse }>();
  const decisions = new Map<string, Decision>();
  const edits: { span: readonly [number, number]; model: string }[] = [];
  let free = 0;
  for (const [at, { ask }] of items.entries()) {
    if (at % SLICE === SLICE - 1) await pause();
    const cleared = rules.clear(ask);
    if (!cleared.ok) return { ok: false, refusal: { ...cleared.refusal, message: `requests.${at}: ${cleared.refusal.message}` } };
    const model = cleared.value.model ?? ask.model;
    const quoted = rules.quote(ask, model, cleared.value.flatHold);
    if (!quoted.ok) return { ok: false, refusal: { ...quoted.refusal, message: `requests.${at}: ${quoted.refusal.message}` } };
    if (quoted.value.basis === 'free') free += 1;
    if (model !== ask.model) edits.push({ span: ask.modelSpan, model });
    const container = quoted.value.container ?? null;
    const sum = sums.get(model);
    // How a rule lets the first item of a model pass says enough of the others; what it would have refused, or put another model for, may be any of them.
    for (const decision of cleared.value.decisions) {
      const { rule, verdict, detail } = decision;
      if (verdict === 'allow' && sum !== undefined) continue;
      const name = `${rule} ${verdict} ${verdict === 'rewrite' ? detail : ''}`;
      if (!decisions.has(name)) decisions.set(name, verdict === 'would_refuse' ? { ...decision, detail: `requests.${at}: ${detail}` } : decision);
    }
    if (sum === undefined) {
      sums.set(model, { items: 1, held: quoted.value.ceiling, quote: quoted.value, likely: quoted.value.likelyInputTokens, container });
    } else {
      sum.items += 1;
      sum.held += quoted.value.ceiling;
      sum.likely += quoted.value.likelyInputTokens;
      if (sum.container === null || container === 'charged') sum.container = container;
    }
  }
  // The results do not say who pays for an item, so all of a batch is one or the other.
  if (free > 0 && free < items.length) return refused('feature_not_allowed', 'this batch mixes items that another organization pays for (billing_policy) with items that it does not; make two batches of them');
  const models = [...sums].map(([model, { items: count, held, quote, likely, container }]): BatchModel => ({
    model, items: count, held: nanodollars(held), row: quote.row, basis: quote.basis, likelyInputTokens: Math.ceil(likely / count), container,
  }));
  const only = models.length === 1 ? models[0]! : null;
  return granted({
    clearance: { model: only?.model ?? null, decisions: [...decisions.values()] },
    quote: {
      endpoint: 'batches',
      quotedAt: rules.at,
      model: only?.model ?? null,
      row: only?.row ?? null,
      basis: models.find(({ basis }) => basis === 'ceiling')?.basis ?? models[0]?.basis ?? 'free',
      ceiling: models.reduce((sum, { held }) => nanodollars(sum + held), NO_MONEY),
      maxInputTokens: 0,
      maxOutputTokens: 0,
      likelyInputTokens: 0,
      ask: null,
    },
    shares: models.map(({ model, held }) => ({ model, amount: held })),
    models,
    edits,
  });
}
