// web/pages/budgets/suggest.ts: three first budgets, sized by what was spent.

export const DAYS = 30;

/** Two figures are enough for a limit that people agree on; never under a dollar. */
function roundLimit(dollars: number): number {
  const wanted = Math.max(1, dollars);
  const step = 10 ** (Math.floor(Math.log10(wanted)) - 1);
  return Number((Math.ceil(wanted / step) * step).toFixed(2));
}

/** @param days spend by day, in dollars @param workspaces spend by workspace, in dollars, the dearest first */
export function suggestionOf(days: readonly number[], workspaces: readonly { readonly name: string; readonly dollars: number }[]): string {
  const total = days.reduce((a, b) => a + b, 0);
  const busiest = Math.max(...days);
  const first = workspaces[0]!;
  return `budgets:
  - id: everything-month            # a fifth above the last ${DAYS} days
    scope: { organization: true }
    limit_usd: ${roundLimit(total * 1.2)}
    period: month
    mode: soft                      # only alerts
    alert_at: [50%, 80%, 100%]
  - id: ${first.name}-month         # the dearest workspace, a fifth above
    scope: { workspace: ${first.name} }
    limit_usd: ${roundLimit(first.dollars * 1.2)}
    period: month
    mode: soft
    alert_at: [50%, 80%, 100%]
  - id: runaway-day                 # twice the dearest day; calls beyond it are refused
    scope: { organization: true }
    limit_usd: ${roundLimit(busiest * 2)}
    period: day
    mode: hard
    alert_at: [80%]
`;
}
