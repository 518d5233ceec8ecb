// test/browser/dashboard.test.ts: the built dashboard in a real browser, on the real gateway, in front of the stand-in for the API.

import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startGateway, type RunningGateway } from '../flow/gateway.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import { audit } from './audit.ts';
import { launchChromium } from './chromium.ts';

const fileOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

let browser: Browser;
let standin: Standin;
const closing: (() => Promise<unknown>)[] = [];

const config = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  access: 'open',
  timezone: 'Europe/Berlin',
  upstream: { origin: standin.url, keys: { default: 'sk-ant-api03-standin' } },
  prices: { file: fileOf('config/prices.yaml') },
  workspaces: [{ id: 'support', workflows: [{ id: 'ticket-triage' }] }, { id: 'catalog' }],
  budgets: [{ id: 'everything-month', scope: { organization: true }, limit_usd: 100, period: 'month', mode: 'hard', alert_at: ['50%', '100%'] }],
  ...more,
});

async function started(more: Record<string, unknown> = {}): Promise<RunningGateway> {
  const gateway = await startGateway({ config: config(more) });
  closing.push(() => gateway.close());
  return gateway;
}

async function call(gateway: RunningGateway, path: string, model = 'claude-haiku-4-5', text = 'Is the parcel on its way?', headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(`${gateway.dataUrl}${path}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', ...headers },
    body: JSON.stringify({ model, max_tokens: 64, messages: [{ role: 'user', content: text }] }),
  });
  await response.arrayBuffer();
  return response.status;
}

interface Opened {
  readonly page: Page;
  /** What the browser complained about: scripts that threw, what the content security policy stopped. */
  readonly complaints: string[];
}

async function open(gateway: RunningGateway, path = '/', look: { width?: number; dark?: boolean; audited?: boolean; moving?: boolean } = {}): Promise<Opened> {
  // An audit puts its own script into the page, which the policy rightly forbids; no other page is opened without it.
  const context = await browser.newContext({ viewport: { width: look.width ?? 1280, height: 800 }, colorScheme: look.dark ? 'dark' : 'light', reducedMotion: look.moving ? 'no-preference' : 'reduce', bypassCSP: look.audited ?? false });
  // A page that stays open goes on asking for figures, beside all the tests that follow.
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.goto(gateway.adminUrl + path);
  return { page, complaints };
}

beforeAll(async () => {
  // Files of tests run side by side: none may take away what another one's pages are loading.
  [browser, standin] = await Promise.all([launchChromium(), startStandin()]);
});

afterAll(async () => {
  for (const close of closing.reverse()) await close();
  await browser?.close();
  await standin?.close();
});

describe('before the first call', () => {
  test('the overview shows the base URL and a call to copy, and sees the first call arrive by itself', async () => {
    const gateway = await started();
    const { page, complaints } = await open(gateway);
    await page.getByText('Waiting for the first call').waitFor();
    expect(await page.locator('pre').first().textContent()).toBe(`export ANTHROPIC_BASE_URL=${gateway.dataUrl}`);
    expect(await call(gateway, '')).toBe(200);
    await page.getByText('The first call is here.').waitFor();
    await page.getByRole('link', { name: 'Look at it' }).click();
    await page.getByRole('heading', { name: 'Request', exact: true }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/requests');
    expect(complaints).toEqual([]);
  });
});

describe('with traffic', () => {
  let gateway: RunningGateway;
  beforeAll(async () => {
    gateway = await started();
    for (let i = 0; i < 3; i++) expect(await call(gateway, '/w/support/ticket-triage')).toBe(200);
    expect(await call(gateway, '/w/catalog', 'claude-sonnet-4-6')).toBe(200);
    expect(await call(gateway, '/w/support/not-configured')).toBe(403);
  });

  test('bars stay where they stand when news arrives, and do not grow from nothing again', async () => {
    const gateway = await started();
    // Dear enough for a bar to be seen and for the sentence about the chart to change.
    const dear = (path: string): Promise<number> => call(gateway, path, 'claude-sonnet-4-6', 'Where is it? '.repeat(20_000));
    expect(await dear('/w/support/ticket-triage')).toBe(200);
    const { page, complaints } = await open(gateway, '/', { moving: true });
    await page.waitForSelector('.chart-canvas canvas');
    // Frame by frame, how much of the main chart is ink of bars, and the columns in which it is.
    await page.evaluate(() => {
      const seen: { ink: number; from: number; to: number }[] = [];
      Object.assign(globalThis, { seen });
      const look = (): void => {
        requestAnimationFrame(look);
        const canvas = document.querySelector<HTMLCanvasElement>('.chart-canvas canvas');
        if (!canvas || canvas.width === 0) return;
        const { width, height } = canvas;
        const pixels = canvas.getContext('2d')!.getImageData(0, 0, width, height).data;
        const frame = { ink: 0, from: width, to: 0 };
        for (let at = 0; at < pixels.length; at += 4) {
          const [r, g, b, alpha] = [pixels[at]!, pixels[at + 1]!, pixels[at + 2]!, pixels[at + 3]!];
          if (alpha < 200 || Math.max(r, g, b) - Math.min(r, g, b) < 60) continue;
          const x = (at / 4) % width;
          frame.ink += 1;
          frame.from = Math.min(frame.from, x);
          frame.to = Math.max(frame.to, x);
        }
        const last = seen.at(-1);
        if (last ? last.ink !== frame.ink || last.from !== frame.from || last.to !== frame.to : frame.ink > 0) seen.push(frame);
      };
      requestAnimationFrame(look);
    });
    const frames = (): Promise<{ ink: number; from: number; to: number }[]> => page.evaluate(() => (globalThis as unknown as { seen: { ink: number; from: number; to: number }[] }).seen);
    const before = await page.getAttribute('.chart-canvas canvas', 'aria-label');
    // The chart's clock goes slowly from here on, so that even a machine that draws few frames draws several of the animation.
    await page.evaluate((slower) => {
      const [real, start] = [Date.now, Date.now()];
      Date.now = () => start + (real() - start) / slower;
    }, 8);
    expect(await dear('/w/catalog')).toBe(200);
    await page.waitForFunction((told) => document.querySelector('.chart-canvas canvas')?.getAttribute('aria-label') !== told, before);
    // The animation takes 200 ms of that clock.
    const told = await page.evaluate(() => Date.now());
    await page.waitForFunction((end) => Date.now() > end, told + 300);
    const seen = await frames();
    expect(seen.length).toBeGreaterThan(3);
    // An axis that reaches further makes a bar shorter, though not by so much.
    for (const frame of seen) expect(frame.ink).toBeGreaterThan(seen[0]!.ink / 4);
    for (const edge of ['from', 'to'] as const) expect(Math.max(...seen.map((frame) => frame[edge])) - Math.min(...seen.map((frame) => frame[edge]))).toBeLessThan(3);
    expect(complaints).toEqual([]);
  });

  test('a user who is called "Other" is not taken for the rest of the users', async () => {
    const gateway = await started();
    const dear = (user: string, words: number): Promise<number> => call(gateway, '/w/support', 'claude-sonnet-4-6', 'Where is it? '.repeat(words), { 'x-tollgate-user': user });
    expect(await dear('Other', 12_000)).toBe(200);
    for (let i = 0; i < 12; i++) expect(await dear(`user-${i}`, 2_000)).toBe(200);
    const { page, complaints } = await open(gateway, '/?by=user', { moving: true });
    await page.waitForSelector('.chart-canvas canvas');
    expect(await page.locator('.legend').first().getByText('Other', { exact: true }).count()).toBe(2);
    /** How much of the main chart has the grey of the rest and how much has a colour, and a place in each. */
    const inks = () => page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('.chart-canvas canvas')!;
      const { width, height } = canvas;
      const pixels = canvas.getContext('2d')!.getImageData(0, 0, width, height).data;
      const grey = { ink: 0, x: 0, y: 0 };
      const coloured = { ink: 0, x: 0, y: 0 };
      for (let at = 0; at < pixels.length; at += 4) {
        const [r, g, b, alpha] = [pixels[at]!, pixels[at + 1]!, pixels[at + 2]!, pixels[at + 3]!];
        const ink = alpha < 200 ? null : r === 0x76 && g === 0x76 && b === 0x76 ? grey : Math.max(r, g, b) - Math.min(r, g, b) >= 60 ? coloured : null;
        if (ink === null) continue;
        // The last of a colour is at the foot of the bar, where the dearest user stands.
        Object.assign(ink, { ink: ink.ink + 1, x: ((at / 4) % width) / width, y: Math.floor(at / 4 / width) / height });
      }
      return { grey, coloured };
    });
    // The animation takes 200 ms of the page's own clock.
    const atRest = () => page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 400)));
    await atRest();
    const before = await inks();
    expect(before.grey.ink).toBeGreaterThan(200);
    expect(before.coloured.ink).toBeGreaterThan(before.grey.ink);

    const said = await page.getAttribute('.chart-canvas canvas', 'aria-label');
    expect(await dear('user-0', 2_000)).toBe(200);
    await page.waitForFunction((told) => document.querySelector('.chart-canvas canvas')?.getAttribute('aria-label') !== told, said);
    await atRest();
    const after = await inks();
    expect(after.grey.ink).toBeGreaterThan(before.grey.ink / 2);
    expect(after.coloured.ink).toBeGreaterThan(before.coloured.ink / 2);

    const click = async ({ x, y }: { x: number; y: number }): Promise<string | null> => {
      const box = (await page.locator('.chart-canvas canvas').first().boundingBox())!;
      await page.mouse.click(box.x + x * box.width, box.y + y * box.height);
      await page.getByRole('heading', { name: 'Requests', exact: true }).waitFor();
      return new URL(page.url()).searchParams.get('user');
    };
    expect(await click(after.coloured)).toBe('Other');
    await page.goBack();
    await page.waitForSelector('.chart-canvas canvas');
    await atRest();
    expect(await click((await inks()).grey)).toBe(null);
    expect(complaints).toEqual([]);
  });

  test('a name in the legend leads to exactly its requests, and the back button returns', async () => {
    const { page, complaints } = await open(gateway);
    await page.getByRole('link', { name: /^catalog/ }).first().click();
    await page.locator('table.requests').waitFor();
    expect(new URL(page.url()).searchParams.getAll('ws')).toEqual(['catalog']);
    expect(await page.locator('table.requests tbody tr').count()).toBe(1);
    await page.goBack();
    await page.getByRole('heading', { name: 'Spend by workspace' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('a request opens with the keyboard and shows cost lines that add up to its cost', async () => {
    const { page, complaints } = await open(gateway, '/requests?ws=catalog');
    await page.locator('table.requests').waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.locator('.cost-lines tfoot').waitFor();
    const places = (text: string): bigint => BigInt(text.replace(/[$.,]/g, ''));
    const lines = await page.locator('.cost-lines tbody td.exact').allTextContents();
    const total = await page.locator('.cost-lines tfoot td.exact').textContent();
    const sum = lines.reduce((all, line) => all + places(line), 0n);
    expect(lines.length).toBeGreaterThanOrEqual(2);
    // Lines have twelve places, the cost has nine and is rounded up once.
    expect((sum + 999n) / 1000n).toBe(places(total!));
    expect(await page.getByRole('region', { name: 'Limits told with the answer' }).locator('tbody th').allTextContents()).toEqual(['Requests', 'Tokens', 'Input tokens', 'Output tokens']);
    await page.keyboard.press('Escape');
    await page.locator('.drawer').waitFor({ state: 'detached' });
    expect(new URL(page.url()).searchParams.has('row')).toBe(false);
    expect(complaints).toEqual([]);
  });

  test('an opened request tells what of its prompt was the same in the one before, and leads there', async () => {
    const { page, complaints } = await open(gateway, '/requests?wf=ticket-triage');
    await page.locator('table.requests').waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    const prompt = page.getByRole('region', { name: 'The prompt against the one before' });
    await prompt.waitFor();
    expect(await prompt.locator('tbody tr').allInnerTexts()).toEqual([expect.stringMatching(/^Message 1\s.*the same$/s)]);
    const opened = new URL(page.url()).searchParams.get('row');
    await page.getByRole('link', { name: /^the call .* before$/ }).click();
    await page.waitForURL((url) => ![null, opened].includes(url.searchParams.get('row')));
    await page.locator('.drawer .cost-lines tfoot').waitFor();
    // A beginning leads to the calls that have it.
    await page.goBack();
    await prompt.getByRole('link', { name: 'Message 1' }).click();
    await page.waitForURL((url) => url.searchParams.has('prefix') && !url.searchParams.has('row'));
    await page.getByRole('list', { name: 'Filters in force' }).getByText('Prompt begins').waitFor();
    await page.locator('table.requests tbody tr').nth(1).waitFor();
    expect(complaints).toEqual([]);
  });

  test('the CSV link holds the filter in force', async () => {
    const { page } = await open(gateway, '/requests?ws=catalog');
    const link = await page.getByRole('link', { name: 'CSV' }).getAttribute('href');
    const csv = await (await fetch(gateway.adminUrl + link!)).text();
    expect(csv.trim().split('\r\n').slice(1)).toHaveLength(1);
    expect(csv).toContain('claude-sonnet-4-6');
  });

  test('keys turn charts into tables, change the period and go to a page, but stay quiet while something is typed', async () => {
    const { page } = await open(gateway);
    await page.locator('canvas').waitFor();
    await page.keyboard.press('t');
    await page.locator('.chart-table table').first().waitFor();
    await page.keyboard.press('m');
    await page.waitForURL((url) => url.searchParams.get('from') === 'now-30d');
    await page.keyboard.press('/');
    await page.getByRole('searchbox').fill('gb');
    expect(new URL(page.url()).pathname).toBe('/');
    await page.getByRole('button', { name: 'Close' }).click();
    await page.locator('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('g');
    await page.keyboard.press('b');
    await page.getByRole('heading', { name: 'everything-month' }).waitFor();
  });

  test('a filter that nothing fits can be dropped on the spot', async () => {
    const { page } = await open(gateway, '/requests?ws=nobody');
    await page.getByRole('heading', { name: 'No requests match' }).waitFor();
    await page.getByRole('button', { name: /workspace: nobody/ }).click();
    await page.locator('table.requests').waitFor();
    expect(new URL(page.url()).search).toBe('');
  });

  test('policies of which none is on trial say what puts one there', async () => {
    const { page, complaints } = await open(gateway, '/policies', { audited: true });
    const panel = page.getByRole('region', { name: 'Would have been blocked, per day' });
    await panel.getByText('No rule is on trial.').waitFor();
    expect(await panel.locator('pre').textContent()).toContain('dry_run: true');
    expect(await audit(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test.each([
    { path: '/', dark: false, width: 1280 },
    { path: '/', dark: true, width: 320 },
    { path: '/requests', dark: true, width: 1280 },
    { path: '/requests', dark: false, width: 320 },
  ])('$path at $width pixels, dark: $dark, has no accessibility fault and does not scroll sideways', async ({ path, dark, width }) => {
    const { page } = await open(gateway, path, { dark, width, audited: true });
    await page.locator(path === '/' ? '.matters, .calm' : 'table.requests').first().waitFor();
    if (path === '/requests') {
      await page.keyboard.press('j');
      await page.keyboard.press('Enter');
      await page.locator('.drawer .facts').first().waitFor();
      await page.locator('.drawer .skeleton').waitFor({ state: 'detached' });
    }
    expect(await audit(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    for (const between of width === 1280 ? [1180, 1101, 960, 901, 700, 641] : []) {
      await page.setViewportSize({ width: between, height: 900 });
      // Charts take their new size a frame later.
      await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth - innerWidth), { message: `${between} pixels`, timeout: 10_000 }).toBeLessThanOrEqual(0);
    }
  });
});

describe('with an admin token', () => {
  test('nothing shows before the token is given, a wrong one is told, and signing out locks again', async () => {
    const gateway = await started({ admin: { token: 'a-long-admin-token-for-tests' } });
    const { page } = await open(gateway, '/budgets');
    await page.getByLabel('Admin token').fill('not-it-but-just-as-long-as-it');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('That is not the admin token.').waitFor();
    await page.getByLabel('Admin token').fill('a-long-admin-token-for-tests');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'everything-month' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Admin token').waitFor();
    expect(await page.getByRole('heading', { name: 'everything-month' }).count()).toBe(0);
  });
});
