// test/browser/savings.test.ts: waste that an app really made, through the gateway, is on the savings page: seen, followed to its requests, decided on.

import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startGateway, type RunningGateway } from '../flow/gateway.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import { audit } from './audit.ts';
import { launchChromium } from './chromium.ts';

const fileOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
/** Some 70,000 tokens of the newer tokenizer: more than a dollar when six calls pay them. */
const HANDBOOK = 'The lamp of the house of words shines brighter than any other. '.repeat(3_200);

let browser: Browser;
let standin: Standin;
let gateway: RunningGateway;

async function call(workflow: string, question: string): Promise<void> {
  const response = await fetch(`${gateway.dataUrl}/w/shop/${workflow}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({ model: 'claude-opus-4-8', max_tokens: 4_096, stream: true, system: HANDBOOK, messages: [{ role: 'user', content: question }] }),
  });
  await response.text();
  expect(response.status).toBe(200);
}

beforeAll(async () => {
  [browser, standin] = await Promise.all([launchChromium(), startStandin()]);
  gateway = await startGateway({
    config: { access: 'open', timezone: 'UTC', upstream: { origin: standin.url, keys: { default: 'sk-ant-api03-standin' } }, prices: { file: fileOf('config/prices.yaml') }, workspaces: [{ id: 'shop', open_workflows: true }] },
  });
  for (let n = 0; n < 7; n++) await call('polls', 'What is new?');
  for (let n = 0; n < 7; n++) await call('answers', `Question ${n} of a customer`);
});

afterAll(async () => {
  await gateway?.close();
  await browser?.close();
  await standin?.close();
});

async function open(look: { width?: number; dark?: boolean; audited?: boolean } = {}): Promise<Page> {
  // An audit puts its own script into the page, which the policy rightly forbids.
  const context = await browser.newContext({ viewport: { width: look.width ?? 1280, height: 900 }, colorScheme: look.dark ? 'dark' : 'light', reducedMotion: 'reduce', bypassCSP: look.audited ?? false });
  // A page that stays open goes on asking for figures, beside all the tests that follow.
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.goto(`${gateway.adminUrl}/savings`);
  await page.locator('.saving').first().waitFor();
  return page;
}

const card = (page: Page, title: string) => page.locator('.saving').filter({ has: page.getByRole('heading', { name: title }) });

test('what was paid for nothing stands with its amount, its certainty and the change to make', async () => {
  const page = await open();
  expect(await card(page, 'The same call, made again').innerText()).toMatch(/shop \/ polls.*\$\d\.\d\d\s*Exact/s);
  expect(await card(page, 'A beginning that is paid in full each time').innerText()).toMatch(/shop \/ answers.*"cache_control"/s);
  expect(await page.locator('.lead').innerText()).toMatch(/need not have been spent/);
  await page.keyboard.press('t');
  await page.getByRole('region', { name: 'Captured and recoverable by week, as a table' }).waitFor();
});

test('no accessibility fault in either theme, wide or narrow, with a form open, and nothing runs out of 320 pixels', async () => {
  for (const look of [{ width: 1280, dark: false }, { width: 320, dark: true }]) {
    const page = await open({ ...look, audited: true });
    await card(page, 'The same call, made again').getByRole('button', { name: 'Dismissed' }).click();
    for (const colorScheme of [look.dark ? 'dark' : 'light', look.dark ? 'light' : 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await audit(page)).toEqual([]);
    }
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  }
});

test('the evidence leads to its requests and back, and an example to its own', async () => {
  const page = await open();
  await page.getByRole('link', { name: /^6 requests behind: The same call/ }).click();
  await page.locator('table.requests tbody tr').first().waitFor();
  expect(new URL(page.url()).searchParams.getAll('wf')).toEqual(['polls']);
  expect(await page.locator('table.requests tbody tr').count()).toBe(7);
  await page.goBack();
  await card(page, 'The same call, made again').getByRole('link', { name: /^Request req_/ }).first().click();
  await page.locator('.drawer').waitFor();
});

test('the keyboard alone names an owner and dismisses with a reason, which a reload still knows', async () => {
  const page = await open();
  const repeats = card(page, 'The same call, made again');
  const before = await page.locator('.lead strong').innerText();
  await repeats.getByRole('button', { name: 'No owner. Name one' }).focus();
  await page.keyboard.press('Enter');
  await repeats.getByRole('textbox', { name: 'Who sees to it' }).focus();
  await page.keyboard.type('ada');
  await page.keyboard.press('Enter');
  await repeats.getByRole('button', { name: /^Owner: ada/ }).waitFor();
  await repeats.getByRole('button', { name: 'Dismissed' }).focus();
  await page.keyboard.press('Enter');
  await repeats.getByRole('textbox', { name: 'Why it stays as it is' }).focus();
  await page.keyboard.type('the poll is meant');
  await page.keyboard.press('Enter');
  await page.getByText(/^Dismissed by .*: the poll is meant$/).waitFor();
  await page.reload();
  const decided = page.getByRole('region', { name: 'Done and dismissed' });
  await decided.getByText('the poll is meant').waitFor();
  expect(await page.locator('.lead strong').innerText()).not.toBe(before);
  await decided.getByRole('button', { name: 'Open', exact: true }).click();
  await page.getByRole('region', { name: 'What to change' }).getByRole('heading', { name: 'The same call, made again' }).waitFor();
});

test('a filter in the address narrows the page to one workflow, and can be dropped', async () => {
  const page = await open();
  await page.goto(`${gateway.adminUrl}/savings?wf=answers`);
  await card(page, 'A beginning that is paid in full each time').waitFor();
  expect(await card(page, 'The same call, made again').count()).toBe(0);
  await page.getByRole('button', { name: 'Drop workflow answers' }).click();
  await card(page, 'The same call, made again').waitFor();
});

test('the ledger holds hashes of the prompts, and no word of them', () => {
  const db = new Database(`${gateway.dataDir}/tollgate.db`, { readonly: true });
  const prompts = db.prepare<[], string | null>('SELECT prompt FROM call').pluck().all();
  db.close();
  expect(prompts.length).toBe(14);
  for (const prompt of prompts) expect(prompt).toMatch(/^1\.\d+\.\d*\.1\.[\w-]{11}(,[tsmTSM]\d+:[\w-]{11})+$/);
  // Equal prompts are seen to be equal, others not.
  expect(new Set(prompts.map((prompt) => prompt!.split(',')[0]!.split('.').at(-1))).size).toBe(8);
});
