// server/http/admin/wire.ts: what crosses the wire of the admin API: a schema and a type for every request and every answer; a file for each thing in wire/.
//
// Money is a decimal string of US dollars, tokens are whole numbers, times are ISO 8601 in UTC with milliseconds, durations
// are milliseconds. Answers may gain fields; a field that is here keeps its name and its meaning.

export { ErrorAnswer, TokenCounts } from './wire/atoms.ts';
export { LIMITS, NoQuery } from './wire/queries.ts';
export * from './wire/usage.ts';
export * from './wire/actions.ts';
export * from './wire/steps.ts';
export * from './wire/shapes.ts';
export * from './wire/verdicts.ts';
export * from './wire/requests.ts';
export * from './wire/prompts.ts';
export * from './wire/statement.ts';
export * from './wire/budgets.ts';
export * from './wire/limits.ts';
export * from './wire/policies.ts';
export * from './wire/prices.ts';
export * from './wire/alerts.ts';
export * from './wire/plan.ts';
export * from './wire/savings.ts';
export * from './wire/proof.ts';
export * from './wire/keys.ts';
export * from './wire/operation.ts';
export * from './wire/live.ts';
