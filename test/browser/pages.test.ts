// test/browser/pages.test.ts: every page of the built dashboard in a real browser: with traffic, without any, by keyboard, and in the face of hostile names.

import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { LimitsAnswer, VerdictsAnswer } from '../../server/http/admin/wire.ts';
import { startReceiver } from '../demo/receiver.ts';
import { startGateway, type RunningGateway } from '../flow/gateway.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import { audit } from './audit.ts';
import { launchChromium } from './chromium.ts';
import { PAYLOADS } from './payloads.ts';

const fileOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** What tells that a page has its figures, and the key that leads to it after `g`. */
const PAGES = [
  { path: '/workspaces', key: 'w', ready: 'table.listing' },
  { path: '/workflows', key: 'f', ready: '.columns .totals' },
  { path: '/users', key: 'u', ready: 'table.listing' },
  { path: '/models', key: 'm', ready: '.matrix' },
  { path: '/budgets', key: 'b', ready: '.budget .lines' },
  { path: '/limits', key: 'l', ready: 'table.listing' },
  { path: '/policies', key: 'p', ready: '.checks' },
  { path: '/savings', key: 's', ready: '.pairs' },
  { path: '/planner', key: 'n', ready: '.plan-figure' },
] as const;

let browser: Browser;
let standin: Standin;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
let gateway: RunningGateway;
const closing: (() => Promise<unknown>)[] = [];

async function started(more: Record<string, unknown> = {}): Promise<RunningGateway> {
  const one = await startGateway({
    config: {
      access: 'open', timezone: 'Europe/Berlin', upstream: { origin: standin.url, keys: { default: 'sk-ant-api03-standin' } }, prices: { file: fileOf('config/prices.yaml') },
      limits: [{ id: 'each-key', each: 'key', requests_per_minute: 60 }],
      workspaces: [{ id: 'support', models: { deny: ['claude-opus-*'] }, features: { deny: ['server_tool:web_search_*'] }, limits: { requests_per_minute: 600 }, workflows: [{ id: 'ticket-triage' }] }, { id: 'catalog', open_workflows: true }],
      budgets: [
        { id: 'support-month', scope: { workspace: 'support' }, limit_usd: 100, period: 'month', mode: 'hard', hold: 'expected', overshoot: '20%', alert_at: ['50%', '100%'] },
        { id: 'tiny-month', scope: { workspace: 'support' }, limit_usd: 0.0001, period: 'month', mode: 'soft', alert_at: ['50%'], notify: ['ops'] },
      ],
      alerts: { private_addresses: true, group: '1s', channels: { ops: { type: 'webhook', url: receiver.url } } },
      ...more,
    },
  });
  closing.push(() => one.close());
  return one;
}

async function call(to: RunningGateway, path: string, { model = 'claude-haiku-4-5', headers = {}, metadata }: { model?: string; headers?: Record<string, string>; metadata?: string } = {}): Promise<number> {
  const response = await fetch(`${to.dataUrl}${path}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', ...headers },
    body: JSON.stringify({ model, max_tokens: 64, messages: [{ role: 'user', content: 'Is the parcel on its way?' }], ...(metadata === undefined ? {} : { metadata: { user_id: metadata } }) }),
  });
  await response.arrayBuffer();
  return response.status;
}

interface Opened {
  readonly page: Page;
  /** What the browser complained about: scripts that threw, what the content security policy stopped. */
  readonly complaints: string[];
}

async function open(at: RunningGateway, path: string, look: { width?: number; dark?: boolean; audited?: boolean } = {}): Promise<Opened> {
  // An audit puts its own script into the page, which the policy rightly forbids.
  const context = await browser.newContext({ viewport: { width: look.width ?? 1280, height: 800 }, colorScheme: look.dark ? 'dark' : 'light', reducedMotion: 'reduce', bypassCSP: look.audited ?? false });
  // A page that stays open goes on asking for figures, beside all the tests that follow.
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.goto(at.adminUrl + path);
  return { page, complaints };
}

beforeAll(async () => {
  // Files of tests run side by side: none may take away what another one's pages are loading.
  [browser, standin, receiver] = await Promise.all([launchChromium(), startStandin(), startReceiver()]);
  gateway = await started();
  for (let i = 0; i < 3; i++) expect(await call(gateway, '/w/support/ticket-triage', { headers: { 'x-tollgate-user': 'u-1', 'x-tollgate-action': 'ticket-1', traceparent: `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b${i}-01` } })).toBe(200);
  expect(await call(gateway, '/w/catalog', { model: 'claude-sonnet-4-6', headers: { 'x-tollgate-user': 'u-2' } })).toBe(200);
  expect(await call(gateway, '/w/support/ticket-triage', { model: 'claude-opus-4-8' })).toBe(403);
});

afterAll(async () => {
  for (const close of closing.reverse()) await close();
  await browser?.close();
  await standin?.close();
  await receiver?.close();
});

describe('with traffic', () => {
  test.each(PAGES)('$path has no accessibility fault in either theme, and fits 320 pixels', async ({ path, ready }) => {
    const { page } = await open(gateway, path, { audited: true });
    for (const look of [{ width: 1280, dark: false }, { width: 768, dark: false }, { width: 320, dark: true }]) {
      await page.setViewportSize({ width: look.width, height: 800 });
      await page.emulateMedia({ colorScheme: look.dark ? 'dark' : 'light' });
      // Anew: a page that begins at a width may look other than one that came to it.
      if (look.width < 1280) await page.reload();
      await page.locator(ready).first().waitFor();
      expect(await audit(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
      // The other theme at the same width, without another load; between the widest and the narrowest only the layout is another.
      if (look.width === 768) continue;
      await page.emulateMedia({ colorScheme: look.dark ? 'light' : 'dark' });
      expect(await audit(page)).toEqual([]);
      // On what most people have, period, dates, comparison, filter and state stand in one line.
      for (const width of look.width === 1280 ? [1920, 1561, 1440, 1280] : []) {
        await page.setViewportSize({ width, height: 900 });
        await expect.poll(() => page.locator('.bar').evaluate((bar) => bar.clientHeight), { message: `the bar at ${width} pixels`, timeout: 10_000 }).toBeLessThan(48);
      }
      for (const width of look.width === 1280 ? [1180, 1101, 960, 901, 700, 641] : []) {
        await page.setViewportSize({ width, height: 900 });
        // Charts take their new size a frame later.
        await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth - innerWidth), { message: `${width} pixels`, timeout: 10_000 }).toBeLessThanOrEqual(0);
      }
    }
  });

  test('so has a statement, and it adds up on screen', async () => {
    for (const look of [{ width: 1280, dark: false }, { width: 320, dark: true }]) {
      const { page } = await open(gateway, '/statement?ws=support', { ...look, audited: true });
      await page.locator('.bill tfoot').waitFor();
      expect(await audit(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
      const cents = (texts: string[]) => texts.reduce((sum, text) => sum + BigInt(text.replaceAll(/[$.,]/g, '')), 0n);
      expect(cents(await page.locator('.bill tbody tr:not(.bill-flow) td:last-child').allTextContents())).toBe(cents(await page.locator('.bill tfoot td').allTextContents()));
    }
  });

  test('the mouse walks over all pages by their names', async () => {
    const { page, complaints } = await open(gateway, '/');
    for (const { path, ready } of PAGES) {
      await page.locator(`.nav-groups a[href^="${path}"]`).click();
      await page.locator(ready).first().waitFor();
      expect(new URL(page.url()).pathname).toBe(path);
    }
    expect(complaints).toEqual([]);
  });

  test('a stretch drawn with the mouse, or marked by key, becomes the period, and a double click takes it back', async () => {
    const { page, complaints } = await open(gateway, '/?from=now-30d');
    await page.locator('canvas').waitFor();
    const box = (await page.locator('canvas').boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.5, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.8, box.y + 60, { steps: 4 });
    await page.locator('.chart-draft').waitFor();
    await page.mouse.up();
    await page.waitForURL((url) => url.searchParams.has('to'));
    const drawn = new URL(page.url()).searchParams;
    const days = (Date.parse(drawn.get('to')!) - Date.parse(drawn.get('from')!)) / 86_400_000;
    expect(days).toBeGreaterThan(7);
    expect(days).toBeLessThan(12);
    // The period that was drawn ended before the first call.
    await page.getByRole('heading', { name: 'No requests match' }).waitFor();
    await page.goBack();
    await page.locator('canvas').waitFor();
    await page.locator('canvas').focus();
    for (const key of ['End', 'Shift+ArrowLeft', 'Shift+ArrowLeft', 'Enter']) await page.keyboard.press(key);
    await page.waitForURL((url) => url.searchParams.has('to'));
    await page.locator('canvas').waitFor();
    await page.locator('canvas').dblclick({ position: { x: 120, y: 20 } });
    await page.waitForURL((url) => !url.searchParams.has('from') && !url.searchParams.has('to'));
    expect(complaints).toEqual([]);
  });

  test('a chart that goes while the pointer moves over it goes without an error', async () => {
    const { page, complaints } = await open(gateway, '/?from=now-30d');
    await page.locator('canvas').waitFor();
    const box = (await page.locator('canvas').boundingBox())!;
    // On the last day, which has calls, so that the chart has bars that it points at.
    await page.mouse.move(box.x + box.width - 12, box.y + box.height / 2);
    await page.evaluate(async () => {
      const frame = () => new Promise(requestAnimationFrame);
      await frame();
      await frame();
      // It is told of a move in the frame after; by then its page is another one.
      document.querySelector('canvas')!.dispatchEvent(new MouseEvent('mousemove', { bubbles: true, clientX: 1, clientY: 1 }));
      document.querySelector<HTMLElement>('.nav-groups a[href^="/planner"]')!.click();
      await frame();
      await frame();
    });
    await page.locator('.plan-figure').first().waitFor();
    expect(complaints).toEqual([]);
  });

  test('an alert is taken on, and a test goes to its channel and stands in the log', async () => {
    const { page, complaints } = await open(gateway, '/budgets');
    await page.getByRole('button', { name: /^Acknowledge: .*tiny-month/ }).click();
    await page.getByText('local looks after it').waitFor();
    expect(await page.locator('.budget', { hasText: 'support-month' }).locator('.figures').innerText()).toMatch(/At risk\s*\$0 of \$20\.00 at most/);
    await page.getByRole('button', { name: 'Send test to ops' }).click();
    await page.getByText('Arrived, answered 202').waitFor();
    await page.getByRole('region', { name: 'Delivery log, as a table' }).getByText('delivered').first().waitFor();
    await page.getByRole('button', { name: 'YAML of Unusual spend' }).click();
    await page.getByText('floor_usd_per_hour: 5').waitFor();
    const { rows } = (await (await fetch(`${gateway.adminUrl}/api/audit`)).json()) as { rows: { action: string }[] };
    expect(rows.map((row) => row.action)).toEqual(expect.arrayContaining(['alert.acknowledge', 'alert.test']));
    expect(complaints).toEqual([]);
  });

  test('the calls of a trace are steps of its workflow, and a step leads to the requests of the trace; without any, how to send one', async () => {
    const { page, complaints } = await open(gateway, '/workflows?open=support/ticket-triage');
    const steps = page.getByRole('region', { name: 'Steps of traced actions, as a table' });
    await steps.waitFor();
    expect((await steps.locator('tbody tr').allInnerTexts()).map((row) => row.split(/\s+/).slice(0, 4))).toEqual([1, 2, 3].map((step) => [String(step), 'claude-haiku-4-5-20251001', '1', '100%']));
    await steps.getByRole('link', { name: 'Step 2: the trace where it is dearest' }).click();
    await page.locator('table.requests').waitFor();
    expect(new URL(page.url()).searchParams.getAll('trace')).toEqual(['4bf92f3577b34da6a3ce929d0e0e4736']);
    expect(await page.locator('table.requests tbody tr').count()).toBe(3);
    await page.goto(`${gateway.adminUrl}/workflows`);
    await page.getByRole('link', { name: /^catalog\/.*show in detail/ }).click();
    await page.getByText('says which trace it belongs to').waitFor();
    expect(complaints).toEqual([]);
  });

  test('policies say which features may be used, and how fast keys may call', async () => {
    const { page, complaints } = await open(gateway, '/policies');
    await page.getByRole('region', { name: 'Policies in force, as a table' }).getByText('not server_tool:web_search_*').waitFor();
    expect(await page.getByRole('region', { name: 'Limits by key and class of models, as a table' }).innerText()).toMatch(/each-key\s+each key by itself\s+refuses\s+60/);
    expect(complaints).toEqual([]);
  });

  test('what a soft budget would have stopped stands by rule, and its bar, the filter and the export hold exactly those calls', async () => {
    const { total } = (await (await fetch(`${gateway.adminUrl}/api/verdicts?verdict=would_refuse`)).json()) as VerdictsAnswer;
    expect(total).toBeGreaterThanOrEqual(3);
    const { page, complaints } = await open(gateway, '/policies', { audited: true });
    const panel = page.getByRole('region', { name: 'Would have been blocked, per day', exact: true });
    await panel.getByText(`a call ${total} times, all by budget:tiny-month. Nothing was stopped.`).waitFor();
    const counts = (await (await fetch(gateway.adminUrl + (await panel.getByRole('link', { name: 'CSV' }).getAttribute('href')))).text()).trim().split('\r\n').slice(1);
    expect(counts.reduce((sum, line) => sum + Number(line.split(',').at(-1)), 0)).toBe(total);
    await panel.locator('canvas').focus();
    for (const key of ['End', 'Enter']) await page.keyboard.press(key);
    await page.waitForURL((url) => url.pathname === '/requests' && url.searchParams.getAll('verdict').join() === 'would_refuse,would_rewrite' && url.searchParams.has('to'));
    await page.locator('table.requests tbody tr').first().waitFor();
    expect(await page.locator('table.requests tbody tr').count()).toBe(total);

    await page.keyboard.press('/');
    const dialog = page.getByRole('dialog', { name: 'Filter' });
    await dialog.getByRole('button', { name: 'Policy', exact: true }).click();
    await dialog.getByRole('checkbox', { name: 'models:support' }).check();
    await dialog.getByRole('checkbox', { name: 'budget:tiny-month' }).check();
    await dialog.getByRole('checkbox', { name: 'models:support' }).uncheck();
    expect(await audit(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Drop Policy budget:tiny-month' }).waitFor();
    await page.locator('table.requests tbody tr').nth(total - 1).waitFor();
    const csv = (await (await fetch(gateway.adminUrl + (await page.locator('a[data-export]').getAttribute('href')))).text()).trim().split('\r\n').slice(1);
    expect(csv).toHaveLength(total);
    await page.getByRole('button', { name: 'Drop Verdict would refuse' }).click();
    await page.getByRole('heading', { name: 'No requests match' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('limits open with the last six hours, which any page shows by key, and which move by their length', async () => {
    const { page, complaints } = await open(gateway, '/limits');
    expect(await page.getByRole('button', { name: '6 hours' }).getAttribute('aria-pressed')).toBe('true');
    await page.locator('canvas').first().waitFor();
    await page.keyboard.press('t');
    const hours = page.getByRole('region', { name: 'Calls that did not succeed, per hour' }).locator('tbody tr');
    await hours.first().waitFor();
    expect(await hours.count()).toBe(6);
    await page.keyboard.press('[');
    await page.waitForURL((url) => url.searchParams.has('to'));
    const { from, to } = Object.fromEntries(new URL(page.url()).searchParams) as { from: string; to: string };
    expect([Date.parse(to) - Date.parse(from), Date.parse(from) % 3_600_000]).toEqual([6 * 3_600_000, 0]);
    await page.keyboard.press('d');
    await page.waitForURL((url) => url.searchParams.get('from') === 'now-24h' && !url.searchParams.has('to'));
    await page.keyboard.press('h');
    await page.waitForURL((url) => url.search === '');
    const asked = page.waitForRequest((request) => /\/api\/usage\?.*group_by=hour/.test(request.url()));
    await page.goto(`${gateway.adminUrl}/?from=now-6h`);
    const begin = new URL((await asked).url()).searchParams.get('from')!;
    expect(Date.parse(begin) % 3_600_000).toBe(0);
    expect(Math.ceil((Date.now() - Date.parse(begin)) / 3_600_000)).toBe(6);
    expect(await page.locator('label.switch', { hasText: 'Compare' }).getAttribute('title')).toMatch(/^Compared with /);
    expect(complaints).toEqual([]);
  });

  test('days are chosen by date, pinned, and compared with the month before', async () => {
    const { page, complaints } = await open(gateway, '/');
    await page.locator('.cards').waitFor();
    await page.keyboard.press('p');
    await page.getByRole('radio', { name: 'The same days a month before' }).check();
    await page.getByRole('button', { name: /^Pin to/ }).click();
    await page.waitForURL((url) => url.searchParams.get('cmp') === 'month' && url.searchParams.has('to'));
    await page.getByRole('button', { name: /to/ }).and(page.locator('.chip-name')).click();
    await page.getByLabel('First day').fill('2026-02-30');
    await page.getByLabel('Last day').fill('2020-01-01');
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await page.locator('dialog [role=alert]').waitFor();
    await page.getByRole('button', { name: 'This month' }).and(page.locator('.chip')).click();
    await page.waitForURL((url) => url.searchParams.get('from') === 'now-month' && !url.searchParams.has('to'));
    expect(complaints).toEqual([]);
  });

  test('paper shows tables in light, with what was shown at its foot', async () => {
    const { page } = await open(gateway, '/?ws=support', { dark: true });
    await page.locator('canvas').waitFor();
    await page.emulateMedia({ media: 'print' });
    await page.locator('.chart-table').first().waitFor();
    expect(await page.locator('html').getAttribute('data-theme')).toBe('light');
    expect(await page.locator('.print-foot').innerText()).toContain('workspace support');
    expect(await page.locator('nav').first().isVisible()).toBe(false);
    await page.emulateMedia({ media: 'screen' });
    await page.locator('canvas').waitFor();
    expect(await page.locator('html').getAttribute('data-theme')).toBe('dark');
  });

  test('pages of one browser share one stream, and when its page is closed another takes over', async () => {
    const { page } = await open(gateway, '/');
    await page.locator('button.live.live').waitFor();
    const other = await page.context().newPage();
    const streams: string[] = [];
    other.on('request', (request) => {
      if (request.url().endsWith('/api/live')) streams.push(request.url());
    });
    await other.goto(`${gateway.adminUrl}/requests`);
    await other.locator('button.live.live').waitFor();
    expect(streams).toEqual([]);
    const taken = other.waitForRequest((request) => request.url().endsWith('/api/live'));
    await page.close();
    await taken;
    await other.locator('button.live.live').waitFor();
    await other.keyboard.press('l');
    await other.locator('button.live.paused').waitFor();
    const before = await other.locator('.totals').innerText();
    expect(await call(gateway, '/w/catalog', { model: 'claude-sonnet-4-6' })).toBe(200);
    expect(await other.locator('.totals').innerText()).toBe(before);
    await other.keyboard.press('l');
    await other.waitForFunction((text) => document.querySelector('.totals')?.textContent !== text, await other.locator('.totals').textContent());
  });

  test('a page that is alone asks for new figures at once, one of many takes its time', async () => {
    const quiet = await started();
    const { page } = await open(quiet, '/healthz');
    await page.clock.install();
    await page.addInitScript(() => {
      Math.random = () => 0.999;
      const seen = Object.assign(window, { asked: 0, told: 0 });
      const fetched = window.fetch;
      window.fetch = (...all) => (seen.asked++, fetched(...all));
      window.EventSource = class extends EventSource {
        constructor(url: string | URL) {
          super(url);
          this.addEventListener('tick', (event) => (seen.told = (JSON.parse(event.data as string) as { told: number }).told));
        }
      };
    });
    await page.goto(`${quiet.adminUrl}/`);
    await page.locator('button.live.live').waitFor();
    const seen = (name: 'asked' | 'told') => page.evaluate((what) => (window as unknown as Record<string, number>)[what], name);
    /** What the page asks in a stretch of its own time after it has heard of a call. */
    const heardBy = async (listeners: number): Promise<(ms: number) => Promise<boolean>> => {
      // Longer ago than figures are left to stand.
      await page.clock.runFor(6_000);
      expect(await call(quiet, '/w/catalog')).toBe(200);
      await page.waitForFunction((many) => (window as unknown as { told: number }).told === many, listeners, { polling: 50 });
      return async (ms) => {
        const before = await seen('asked');
        await page.clock.runFor(ms);
        return (await seen('asked'))! > before!;
      };
    };
    const alone = await heardBy(1);
    expect(await alone(1_000)).toBe(true);
    const leaving = new AbortController();
    await Promise.all(Array.from({ length: 30 }, () => fetch(`${quiet.adminUrl}/api/live`, { signal: leaving.signal })));
    const crowded = await heardBy(31);
    expect(await crowded(2_000)).toBe(false);
    expect(await crowded(1_000)).toBe(true);
    leaving.abort();
  });

  test('a model in use that the provider ends is named with its day, and a new config with what it says differently', async () => {
    const changing = await started();
    expect(await call(changing, '/w/catalog', { model: 'claude-sonnet-4-5' })).toBe(200);
    writeFileSync(changing.configFile, `${readFileSync(changing.configFile, 'utf8').replace('requests_per_minute: 600', 'requests_per_minute: 900')}on_abort: drain\n`);
    process.kill(changing.pid, 'SIGHUP');
    const { page, complaints } = await open(changing, '/models', { audited: true });
    const ending = page.getByRole('region', { name: 'Models that end' });
    await ending.waitFor();
    expect(await ending.innerText()).toMatch(/claude-sonnet-4-5.* (is retired on|was retired, on) 30 November 2026/);
    expect(await ending.innerText()).toContain('1 call ');
    expect(await audit(page)).toEqual([]);
    await page.goto(`${changing.adminUrl}/policies`);
    const changes = page.locator('.changes');
    await changes.waitFor();
    expect(await changes.locator('li').allTextContents()).toEqual(['workspaces.support.limits.requests_per_minute 600 →became 900', 'on_abort was added: drain']);
    expect(await audit(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test('the keyboard walks over all pages, and the back button all the way home', async () => {
    const { page, complaints } = await open(gateway, '/');
    await page.locator('.cards').waitFor();
    for (const { path, key, ready } of PAGES) {
      await page.keyboard.press('g');
      await page.keyboard.press(key);
      await page.locator(ready).first().waitFor();
      expect(new URL(page.url()).pathname).toBe(path);
      expect(await page.locator('nav [aria-current="page"]').getAttribute('href')).toBe(path);
    }
    for (const { path } of PAGES.toReversed()) {
      expect(new URL(page.url()).pathname).toBe(path);
      await page.goBack();
    }
    await page.locator('.cards').waitFor();
    expect(complaints).toEqual([]);
  });

  test.each([
    { from: '/workspaces', name: 'catalog', at: '/', query: { ws: 'catalog', from: 'now-month' } },
    { from: '/users', name: 'u-2', at: '/requests', query: { user: 'u-2', from: 'now-30d' } },
    { from: '/users', name: '1 refused requests of no user', at: '/requests', query: { user: '', o: 'refused', from: 'now-30d' } },
    { from: '/models', name: /^catalog\/.* on claude-sonnet-4-6/, at: '/requests', query: { ws: 'catalog', m: 'claude-sonnet-4-6', from: 'now-30d' } },
    { from: '/limits', name: 'Refused', at: '/requests', query: { o: 'refused', refusal: 'model_not_allowed', from: 'now-6h' } },
    { from: '/policies', name: 'Model not allowed', at: '/requests', query: { o: 'refused', refusal: 'model_not_allowed', from: 'now-30d' } },
    { from: '/policies', name: /^models:support/, at: '/requests', query: { policy: 'models:support', verdict: 'refuse', from: 'now-30d' } },
    { from: '/policies', name: 'budget:tiny-month', at: '/requests', query: { policy: 'budget:tiny-month', from: 'now-30d' } },
  ])('$from leads by "$name" to what is behind it, and back again', async ({ from, name, at, query }) => {
    const { page, complaints } = await open(gateway, from);
    await page.locator('main').getByRole('link', { name, exact: typeof name === 'string' }).last().click();
    await page.waitForURL((url) => url.pathname === at);
    const said = new URL(page.url()).searchParams;
    for (const [field, value] of Object.entries(query)) expect(said.getAll(field)).toEqual([value]);
    await page.locator(at === '/requests' ? 'table.requests tbody tr' : '.cards').first().waitFor();
    await page.goBack();
    await page.waitForURL((url) => url.pathname === from);
    await page.locator('main').getByRole('link', { name, exact: typeof name === 'string' }).last().waitFor();
    expect(complaints).toEqual([]);
  });

  test('charts become tables, tables sort from the address, and a workflow opens in detail', async () => {
    const { page, complaints } = await open(gateway, '/workflows');
    await page.locator('.lines').first().waitFor();
    await page.keyboard.press('t');
    await page.locator('.chart-table table').first().waitFor();
    await page.getByRole('button', { name: /^Actions/ }).click();
    await page.waitForURL((url) => url.searchParams.get('sort') === '-actions');
    expect(await page.locator('th[aria-sort="descending"]').textContent()).toContain('Actions');
    await page.getByRole('link', { name: /^catalog\/.*show in detail/ }).click();
    await page.waitForURL((url) => (url.searchParams.get('open') ?? '').startsWith('catalog/'));
    await page.keyboard.press('Escape');
    await page.waitForURL((url) => !url.searchParams.has('open'));
    expect(complaints).toEqual([]);
  });

  test('the period moves back and forth by key, and the export holds the filter', async () => {
    const { page } = await open(gateway, '/workspaces?ws=catalog');
    await page.locator('table.listing').waitFor();
    expect((await exported(page)).map((line) => line['workspace'])).toEqual(['catalog']);
    await page.keyboard.press('[');
    await page.getByRole('heading', { name: 'No requests match' }).waitFor();
    expect(new URL(page.url()).searchParams.has('to')).toBe(true);
    await page.keyboard.press(']');
    await page.locator('table.listing').waitFor();
    await page.keyboard.press('q');
    await page.waitForURL((url) => url.searchParams.get('from') === 'now-90d');
  });

  test('a plan is asked from what is typed, kept in the address, and its faults are told', async () => {
    const { page, complaints } = await open(gateway, '/planner');
    await page.locator('.plan-figure').waitFor();
    // 1,000 calls a day on 30 days of 2,000 and 300 tokens at $1 and $5 a million.
    await page.getByRole('textbox', { name: 'Calls a day' }).fill('1000');
    await page.getByText('$105.00', { exact: false }).first().waitFor();
    expect(new URLSearchParams(new URL(page.url()).searchParams.get('task') ?? '').get('calls')).toBe('1000');
    expect(complaints).toEqual([]);
    await page.getByRole('textbox', { name: 'Cached part tokens' }).fill('9000');
    await page.getByRole('alert').getByText('expected no more than input_tokens', { exact: false }).waitFor();
  });
});

test('an alert shows on an open page without a reload, is silenced there, and is heard again when that ends', async () => {
  const own = await started();
  const { page, complaints } = await open(own, '/policies', { audited: true });
  await page.locator('.checks').waitFor();
  const badge = page.locator('.nav-groups a[href^="/budgets"] .count');
  expect(await badge.count()).toBe(0);
  let loads = 0;
  page.on('load', () => loads++);
  for (let i = 0; i < 3; i++) expect(await call(own, '/w/support/ticket-triage')).toBe(200);
  await badge.waitFor();
  expect(await badge.textContent()).toMatch(/^1 alert fires$/);
  expect(await page.locator('p.unseen[role=status]').textContent()).toMatch(/^Alert.*: Budget tiny-month has reached/);

  await page.locator('.nav-groups a[href^="/budgets"]').click();
  // The page counts as the mark beside its name does.
  await page.locator('.lead').getByText('1 alert fires that nobody has taken on, only to know.').waitFor();
  await page.getByRole('button', { name: /^Silence: Budget tiny-month/ }).click();
  const dialog = page.getByRole('dialog', { name: 'Silence alerts' });
  await dialog.getByRole('button', { name: '1 day' }).click();
  await dialog.getByLabel('Why').fill('load test');
  expect(await audit(page)).toEqual([]);
  await dialog.getByRole('button', { name: 'Silence', exact: true }).click();
  await badge.waitFor({ state: 'detached' });
  await page.getByText('silenced until').waitFor();
  const listed = page.locator('.silences li');
  expect(await listed.textContent()).toContain('load test; by');
  expect(await audit(page)).toEqual([]);
  await listed.getByRole('button', { name: /^End/ }).click();
  await badge.waitFor();
  await listed.waitFor({ state: 'detached' });
  expect(loads).toBe(0);
  // As a button in a message leads here.
  await page.goto(`${own.adminUrl}/budgets?silence=${encodeURIComponent('budget:tiny-month')}`);
  await dialog.waitFor();
  expect([await dialog.getByLabel('Rule').inputValue(), await dialog.getByLabel('About').inputValue()]).toEqual(['budget', 'tiny-month']);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await dialog.waitFor({ state: 'detached' });
  expect(new URL(page.url()).search).toBe('');
  expect(complaints).toEqual([]);
});

test('a background call that waits for the provider is on the limits page, with its workspace', async () => {
  // The provider asks for a minute, so that what is looked at does not go away meanwhile.
  standin.script(() => ({ fault: 'status:529', headers: { 'retry-after': '60', 'anthropic-ratelimit-requests-limit': '1000', 'anthropic-ratelimit-requests-remaining': '20' } }));
  const at = await started();
  expect(await call(at, '/w/catalog')).toBe(529);
  const leaving = new AbortController();
  const waits = fetch(`${at.dataUrl}/w/support/ticket-triage/v1/messages`, {
    method: 'POST', signal: leaving.signal, headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', 'x-tollgate-priority': 'background' },
    body: JSON.stringify({ model: 'claude-haiku-4-5', max_tokens: 64, messages: [{ role: 'user', content: 'No hurry.' }] }),
  }).catch(() => null);
  try {
    await expect.poll(async () => ((await (await fetch(`${at.adminUrl}/api/limits`)).json()) as LimitsAnswer).queue.waiting, { timeout: 10_000 }).toBe(1);
    const { page, complaints } = await open(at, '/limits', { width: 320, audited: true });
    const panel = page.getByRole('region', { name: 'Background calls that wait', exact: true });
    await panel.locator('table.listing').waitFor();
    expect(await panel.innerText()).toMatch(/haiku-4-5[\s\S]*default[\s\S]*support 1/);
    expect(await panel.innerText()).toContain('1 of 500 places are taken');
    expect(await audit(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    expect(complaints).toEqual([]);
  } finally {
    leaving.abort();
    await waits;
    standin.script(null);
  }
});

/** Presses the key for the export of the page's main table, and reads the file that the browser keeps. */
async function exported(page: Page): Promise<Record<string, string>[]> {
  await page.locator('[data-export]:enabled').first().waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('e')]);
  const [head, ...lines] = readFileSync(await download.path(), 'utf8').trimEnd().split('\r\n').map((line) => line.split(','));
  return lines.map((cells) => Object.fromEntries(head!.map((name, i) => [name, cells[i]!])));
}

describe('a table as a file', () => {
  test.each([
    { path: '/workspaces', caption: 'Workspaces, as a table', first: 'workspace', columns: ['workspace', 'cost_usd', 'month_end_p50_usd', 'month_end_p90_usd', 'budget', 'budget_used', 'requests', 'per_1000_requests_usd', 'failed', 'from_cache'] },
    { path: '/workflows', caption: 'Workflows, as a table', first: 'workflow', columns: ['workspace', 'workflow', 'cost_usd', 'requests', 'actions', 'per_action_usd', 'per_action_p50_usd', 'per_action_p95_usd', 'calls_per_action', 'prompt_tokens_per_call', 'output_tokens_per_call', 'truncated', 'retried'] },
    { path: '/users', caption: 'Users, as a table', first: 'user', columns: ['user', 'cost_usd', 'cost_share', 'requests', 'failed', 'refused', 'state', 'last_seen_at'] },
    { path: '/models', caption: 'Models, as a table', first: 'model', columns: ['model', 'cost_usd', 'cost_share', 'requests', 'request_share', 'per_1000_good_usd', 'ttft_p50_ms', 'ttft_p95_ms', 'duration_p50_ms', 'duration_p95_ms', 'tokens_per_second_p50', 'tokens_per_second_p95', 'output_tokens_per_call', 'input_usd_per_mtok', 'output_usd_per_mtok', 'price_version'] },
    { path: '/limits', caption: 'What failed, as a table', first: null, columns: ['outcome', 'status', 'type', 'whose', 'calls'] },
    { path: '/policies', caption: 'Reasons, as a table', first: null, columns: ['reason', 'calls', 'most_in_workspace', 'most_in_workflow', 'last_day'] },
  ])('of $path has the columns and the rows of the screen, in its order and with exact amounts', async ({ path, caption, first, columns }) => {
    const { page, complaints } = await open(gateway, path);
    const table = page.getByRole('region', { name: caption });
    await table.waitFor();
    const file = await exported(page);
    expect(Object.keys(file[0]!)).toEqual(columns);
    expect(file).toHaveLength(await table.locator('tbody tr').count());
    const column = async (name: string): Promise<string[]> => table.locator(`tbody [data-name="${name}"]`).allTextContents();
    if (first === null) expect(file.map((line) => line['calls'])).toEqual(await column('Calls'));
    else {
      expect(file.map((line) => line[first] || 'no user')).toEqual(await table.locator('tbody th a').allTextContents());
      const amounts = await table.locator('tbody [data-name="Spend"]').evaluateAll((cells) => cells.map((cell) => (cell as HTMLElement).title));
      expect(file.map((line) => `$${line['cost_usd']}`)).toEqual(amounts);
    }
    expect(complaints).toEqual([]);
  });

  test('follows the order of the screen, and what holds single calls says so', async () => {
    const { page } = await open(gateway, '/users?sort=user');
    await page.getByRole('region', { name: 'Users, as a table' }).waitFor();
    expect((await exported(page)).map((line) => line['user'])).toEqual(['', 'u-1', 'u-2']);
    for (const path of ['/policies', '/requests']) {
      await page.goto(gateway.adminUrl + path);
      const calls = page.getByRole('link', { name: 'Calls as CSV', exact: true });
      expect(await calls.getAttribute('href')).toMatch(/^\/api\/export\/requests\.csv\?/);
    }
  });
});

test('the bar of today is still filling where the period ends in the future', async () => {
  const [from, to] = [-3, 3].map((days) => new Date(Date.now() + days * 86_400_000).toISOString());
  const { page, complaints } = await open(gateway, `/?from=${from}&to=${to}`);
  await page.getByText(/The bar of .* is still filling\./).waitFor();
  // Nor is a whole week held against the part of one that has gone.
  const day = (days: number): string => new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', day: 'numeric', month: 'short' }).format(Date.now() + days * 86_400_000);
  await page.getByText(`No requests from ${day(-10)} to ${day(-7)} to compare with.`).waitFor();
  await page.keyboard.press('t');
  const bars = page.getByRole('region', { name: 'Spend by workspace, as a table' }).locator('tbody th');
  expect((await bars.allTextContents()).map((name) => name.endsWith('(still filling)'))).toEqual([false, false, false, true, false, false, false]);
  expect(complaints).toEqual([]);
});

test('a single budget is spoken of as one, and what an alert tells to type stands as code', async () => {
  const prices = join(mkdtempSync(join(tmpdir(), 'tollgate-prices-')), 'prices.yaml');
  writeFileSync(prices, readFileSync(fileOf('config/prices.yaml'), 'utf8').replaceAll(/verified: [\d-]+/g, 'verified: 2025-01-01'));
  const own = await started({ prices: { file: prices }, budgets: [{ id: 'support-month', scope: { workspace: 'support' }, limit_usd: 100, period: 'month', mode: 'hard', alert_at: ['50%'] }] });
  const { page, complaints } = await open(own, '/budgets');
  await page.getByText('The price book is old').first().waitFor();
  expect(await page.locator('.lead').innerText()).toBe('The one budget is on track. 1 alert fires that nobody has taken on. Told: ops.');
  const told = page.locator('.firing .matters li', { hasText: 'The price book is old' });
  expect(await told.locator('code').allTextContents()).toEqual(['verified']);
  expect(await told.innerText()).not.toContain('`');
  await page.goto(`${own.adminUrl}/policies`);
  const unkept = page.locator('.checks li', { has: page.locator('.warn') });
  await unkept.first().waitFor();
  // Beside a warning no heading asserts what is not so.
  expect(await unkept.locator('> span:last-child').allInnerTexts()).toEqual(expect.arrayContaining([expect.stringMatching(/^The dashboard is not locked\n/), expect.stringMatching(/^Calls need no key of ours\n/)]));
  expect(complaints).toEqual([]);
});

describe('on an empty install', () => {
  test('every page fits a phone, and code scrolls in its own box', async () => {
    const empty = await started({ budgets: [] });
    for (const width of [390, 320]) {
      const { page } = await open(empty, '/', { width });
      for (const path of ['/', '/requests', '/statement', ...PAGES.map((one) => one.path)]) {
        await page.goto(empty.adminUrl + path);
        await page.locator('main .panel, main .empty').first().waitFor();
        await page.locator('main .skeleton').first().waitFor({ state: 'detached' });
        const out = await page.evaluate(() => ({
          page: document.documentElement.scrollWidth - innerWidth,
          boxes: [...document.querySelectorAll('main .panel .snippet')].filter((box) => box.getBoundingClientRect().right > box.closest('.panel')!.getBoundingClientRect().right).length,
        }));
        expect({ path, width, ...out }).toEqual({ path, width, page: expect.toSatisfy((over: number) => over <= 0), boxes: 0 });
      }
    }
  });

  test('every page says what it is for and how to begin, without an error', async () => {
    const empty = await started();
    const { page, complaints } = await open(empty, '/');
    await page.getByText('Waiting for the first call').waitFor();
    expect(await page.getByRole('group', { name: 'Period' }).count()).toBe(0);
    for (const { key, path } of PAGES) {
      await page.keyboard.press('g');
      await page.keyboard.press(key);
      await page.waitForURL((url) => url.pathname === path);
      await page.locator('main .panel').first().waitFor();
      await page.locator('main .skeleton').first().waitFor({ state: 'detached' });
      expect(await page.getByRole('alert').count()).toBe(0);
      expect(await page.locator('main').innerText()).toMatch(path === '/limits' ? /Not seen yet/ : path === '/policies' ? /Nothing was refused[\s\S]*Nothing would have been blocked\. On trial now: budget:tiny-month/ : path === '/budgets' ? /Nothing fires/ : path === '/planner' ? /a month/ : /No call has come yet/);
    }
    expect(complaints).toEqual([]);
  });
});

describe('hostile names', () => {
  test('25 payloads in every field that a client fills run nothing and stay text, on every page', async () => {
    const attacked = await started();
    for (const payload of PAYLOADS) {
      // What a header cannot hold is sent as the header's own bytes would be.
      const header = encodeURI(payload).slice(0, 120);
      const plain = /^[\x20-\x7e]*$/.test(payload) ? payload : header;
      const headers = { 'x-tollgate-user': plain, 'x-tollgate-session': plain, 'x-tollgate-action': plain, 'x-tollgate-tags': `name=${plain.replaceAll(/[,=]/g, ' ')}` };
      await call(attacked, '/w/catalog', { headers });
      await call(attacked, '/w/catalog', { metadata: payload });
      await call(attacked, `/w/catalog/${encodeURIComponent(payload)}`);
      await call(attacked, '/w/catalog', { model: payload });
    }
    const stored = (await (await fetch(`${attacked.adminUrl}/api/requests?limit=1000`)).json()) as { rows: { id: string; user: string | null; model_requested: string | null }[] };
    // The attack must have arrived, or nothing was tried.
    expect(stored.rows.filter((row) => PAYLOADS.includes(row.user ?? '')).length).toBeGreaterThan(15);
    expect(stored.rows.filter((row) => PAYLOADS.includes(row.model_requested ?? '')).length).toBeGreaterThan(15);

    const evil = encodeURIComponent(PAYLOADS[0]!);
    const open1 = stored.rows.find((row) => row.user === PAYLOADS[0])!;
    const paths = ['/', '/?by=user', '/?by=model', `/requests?row=${open1.id}`, `/requests?user=${evil}&wf=${evil}&${evil}=1`, ...PAGES.map((one) => one.path), `/users?open=${evil}`, `/statement?ws=${evil}&month=${evil}`, `/requests?refusal=${evil}&error=${evil}&tag=${evil}&est=${evil}`, `/requests?policy=${evil}&verdict=${evil}`, '/?by=kind&metric=tokens', '/?metric=ttft&by=user', `/workflows?open=${evil}&sort=${evil}`, `/planner?task=${encodeURIComponent(new URLSearchParams({ model: PAYLOADS[0]! }).toString())}`];
    const { page, complaints } = await open(attacked, '/');
    for (const path of paths) {
      await page.goto(attacked.adminUrl + path);
      await page.locator('main .panel, main .empty').first().waitFor();
      await page.locator('main .skeleton').first().waitFor({ state: 'detached' });
      await page.keyboard.press('t');
      const state = await page.evaluate(() => ({
        ran: (globalThis as unknown as { __ran?: unknown }).__ran ?? null,
        foreign: [...document.querySelectorAll('main script, main iframe, main object, main embed, main base, main [onerror], main [onload], main [onfocus], main [onclick], main img, main math, main style, main link')].map((one) => one.outerHTML.slice(0, 80)),
        links: [...document.querySelectorAll('a[href]')].map((one) => (one as HTMLAnchorElement).protocol).filter((protocol) => protocol !== location.protocol),
      }));
      expect({ path, ...state }).toEqual({ path, ran: null, foreign: [], links: [] });
    }
    // A plan with a model that is none is refused by the server; the browser notes that answer, and nothing else.
    expect(complaints.filter((one) => !/status of 4\d\d/.test(one))).toEqual([]);
  });
});
