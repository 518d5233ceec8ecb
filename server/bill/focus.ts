// server/bill/focus.ts: the ledger in the columns of FOCUS (FinOps Open Cost and Usage Specification) 1.2, one row per hour or day, workspace, workflow and SKU price.

import { periodAt } from '../domain/calendar.ts';
import type { EpochMs } from '../domain/ids.ts';
import { usdString, nanodollars, type Nanodollars, type Picodollars } from '../domain/money.ts';
import { priceKind, type CostLine } from '../domain/price.ts';
import type { BilledCall } from '../domain/reports.ts';
import { apportion } from './apportion.ts';
import { chargesOf, type Charge } from './charges.ts';

export const FOCUS_VERSIONS = ['1.2'] as const;
export const GRAINS = ['hour', 'day'] as const;
export type Grain = (typeof GRAINS)[number];

/** The provider cuts its bills in UTC, and so does this. */
const BILLED_IN = 'UTC';
const TOKENS_PER_UNIT = 1_000_000;

export interface FocusRow {
  readonly period: { readonly from: EpochMs; readonly to: EpochMs };
  readonly workspace: string;
  readonly workflow: string;
  readonly charge: Charge;
  cost: bigint;
  listCost: bigint;
  quantity: number;
  calls: number;
  /** Per token or use at list price; null where it is not explained. */
  readonly listUnitPrice: Picodollars | null;
}

/** Rows of one charge period after the other; calls must come in order of admission. `add` and `close` give the rows that are complete. */
export function openFocus(grain: Grain): { add(detail: BilledCall, lines: readonly CostLine[], atList: readonly CostLine[]): FocusRow[]; close(): FocusRow[] } {
  let period: { from: EpochMs; to: EpochMs } | null = null;
  let rows = new Map<string, FocusRow>();
  const flush = (): FocusRow[] => {
    const done = [...rows.values()];
    rows = new Map();
    return done;
  };
  return {
    add(detail, lines, atList) {
      const { row } = detail;
      const complete = period !== null && row.admittedAt >= period.to ? flush() : [];
      if (period === null || row.admittedAt >= period.to) period = periodAt(grain, row.admittedAt, BILLED_IN);
      const charges = chargesOf(detail, lines);
      const listed = listCosts(row.cost, charges, lines, atList);
      for (const [at, charge] of charges.entries()) {
        const key = JSON.stringify([row.workspace, row.workflow, charge.model, charge.kind, String(charge.unitPrice), charge.priceVersion, charge.factors]);
        let found = rows.get(key);
        if (found === undefined) rows.set(key, (found = { period, workspace: row.workspace, workflow: row.workflow, charge, cost: 0n, listCost: 0n, quantity: 0, calls: 0, listUnitPrice: atList.length === lines.length ? (atList[at]?.unitPrice ?? charge.unitPrice) : charge.unitPrice }));
        found.cost += charge.cost;
        found.listCost += listed[at] as bigint;
        found.quantity += charge.quantity;
        found.calls++;
      }
      return complete;
    },
    close: flush,
  };
}

/** What the charges would be at list price. Lines that do not match, and what no line explains, count as they were billed. */
function listCosts(cost: Nanodollars, charges: readonly Charge[], lines: readonly CostLine[], atList: readonly CostLine[]): bigint[] {
  if (atList === lines || atList.length !== charges.length || charges.some((charge, at) => charge.kind !== atList[at]?.kind)) return charges.map((charge) => charge.cost);
  const sum = (all: readonly CostLine[]): bigint => all.reduce((total, line) => total + line.amount, 0n);
  const billed = sum(lines);
  if (billed === 0n) return charges.map((charge) => charge.cost);
  return apportion((cost * sum(atList)) / billed, atList.map((line) => line.amount));
}

const KINDS: Readonly<Record<Charge['kind'], { readonly words: string; readonly meter: string; readonly details: Readonly<Record<string, string>> }>> = {
  input: { words: 'input', meter: 'Input Tokens', details: { x_TokenDirection: 'Input' } },
  cacheRead: { words: 'input, cache read', meter: 'Input Tokens', details: { x_TokenDirection: 'Input', x_TokenCacheAction: 'Read' } },
  cacheWrite5m: { words: 'input, cache write 5m', meter: 'Input Tokens', details: { x_TokenDirection: 'Input', x_TokenCacheAction: 'Write', x_CacheTtl: '5m' } },
  cacheWrite1h: { words: 'input, cache write 1h', meter: 'Input Tokens', details: { x_TokenDirection: 'Input', x_TokenCacheAction: 'Write', x_CacheTtl: '1h' } },
  output: { words: 'output', meter: 'Output Tokens', details: { x_TokenDirection: 'Output' } },
  web_search: { words: 'web search', meter: 'Web Searches', details: {} },
  code_execution: { words: 'code execution, least container time', meter: 'Containers', details: {} },
  unexplained: { words: 'estimated without usage', meter: 'Estimates', details: {} },
};

/** Units of what is not counted in tokens. */
const USES: { readonly [Kind in Charge['kind']]?: string } = { web_search: 'Searches', code_execution: 'Containers' };

const iso = (at: number): string => new Date(at).toISOString().replace(/\.\d{3}Z$/, 'Z');
/** Pico-dollars per token as dollars per pricing unit, exact. */
const unitPrice = (price: Picodollars | null, perToken: boolean): string | null => {
  if (price === null) return null;
  const digits = (price * (perToken ? BigInt(TOKENS_PER_UNIT) : 1n)).toString().padStart(13, '0');
  return `${digits.slice(0, -12)}.${digits.slice(-12)}`;
};

interface Told {
  /** The name of the provider key that a workspace's calls go out with: each belongs to one account at the provider. */
  readonly accountOf: (workspace: string) => string;
}

/** FOCUS 1.2 by column name, in the order of the file. Money and unit prices are exact decimals; null is an empty cell. */
export const FOCUS_COLUMNS: Readonly<Record<string, (row: FocusRow, told: Told) => string | number | null>> = {
  BilledCost: (r) => usdString(nanodollars(r.cost)),
  BillingAccountId: (r, { accountOf }) => accountOf(r.workspace),
  BillingAccountName: (r, { accountOf }) => accountOf(r.workspace),
  BillingAccountType: () => 'Provider key',
  BillingCurrency: () => 'USD',
  BillingPeriodEnd: (r) => iso(periodAt('month', r.period.from, BILLED_IN).to),
  BillingPeriodStart: (r) => iso(periodAt('month', r.period.from, BILLED_IN).from),
  ChargeCategory: () => 'Usage',
  ChargeClass: () => null,
  ChargeDescription: (r) => `${r.charge.model} ${KINDS[r.charge.kind].words}${r.charge.factors.length > 0 ? ` (${r.charge.factors.join(', ')})` : ''}`,
  ChargeFrequency: () => 'Usage-Based',
  ChargePeriodEnd: (r) => iso(r.period.to),
  ChargePeriodStart: (r) => iso(r.period.from),
  ConsumedQuantity: (r) => (r.charge.kind === 'unexplained' ? null : r.quantity),
  ConsumedUnit: (r) => (r.charge.kind === 'unexplained' ? null : (USES[r.charge.kind] ?? 'Tokens')),
  ContractedCost: (r) => usdString(nanodollars(r.cost)),
  ContractedUnitPrice: (r) => unitPrice(r.charge.unitPrice, USES[r.charge.kind] === undefined),
  EffectiveCost: (r) => usdString(nanodollars(r.cost)),
  InvoiceId: () => null,
  InvoiceIssuerName: () => 'Anthropic',
  ListCost: (r) => usdString(nanodollars(r.listCost)),
  ListUnitPrice: (r) => unitPrice(r.listUnitPrice, USES[r.charge.kind] === undefined),
  PricingCategory: (r) => (r.charge.kind === 'unexplained' ? 'Other' : 'Standard'),
  PricingCurrency: () => 'USD',
  PricingQuantity: (r) => (r.charge.kind === 'unexplained' ? null : USES[r.charge.kind] === undefined ? r.quantity / TOKENS_PER_UNIT : r.quantity),
  PricingUnit: (r) => (r.charge.kind === 'unexplained' ? null : (USES[r.charge.kind] ?? '1000000 Tokens')),
  ProviderName: () => 'Anthropic',
  PublisherName: () => 'Anthropic',
  RegionId: () => null,
  ResourceId: (r) => `${r.workspace}/${r.workflow}`,
  ResourceName: (r) => r.workflow,
  ResourceType: () => 'Workflow',
  ServiceCategory: () => 'AI and Machine Learning',
  ServiceName: () => 'Claude API',
  ServiceSubcategory: () => 'Generative AI',
  SkuId: (r) => r.charge.model,
  SkuMeter: (r) => KINDS[r.charge.kind].meter,
  SkuPriceDetails: (r) => JSON.stringify({ ...KINDS[r.charge.kind].details, ...(r.charge.factors.length > 0 ? { x_Factors: r.charge.factors.join(', ') } : {}) }),
  SkuPriceId: (r) => (r.charge.priceVersion === null ? null : `${r.charge.priceVersion}/${r.charge.kind}${r.charge.factors.map((factor) => `/${factor}`).join('')}`),
  SubAccountId: (r) => r.workspace,
  SubAccountName: (r) => r.workspace,
  SubAccountType: () => 'Workspace',
  Tags: () => '{}',
  x_RequestCount: (r) => r.calls,
  x_PriceBookVersion: (r) => r.charge.priceVersion,
  x_CostSource: (r) => (r.charge.priceVersion === null ? 'unexplained' : priceKind(r.charge.priceVersion)),
};
