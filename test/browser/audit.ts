// test/browser/audit.ts: asks axe, the accessibility checker, what is wrong with a page as it stands.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

/**
 * The rules that the page breaks, each with the first element that does: `color-contrast: <p …>`. None: there is no fault that axe knows of.
 * @param page must be in a context that bypasses its content policy, which forbids a script of others
 */
export async function audit(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe: run } = globalThis as unknown as { axe: { run(options: { resultTypes: string[] }): Promise<{ violations: Violation[] }> } };
    // What passes is a long list that nobody reads.
    return (await run.run({ resultTypes: ['violations'] })).violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
  });
}
