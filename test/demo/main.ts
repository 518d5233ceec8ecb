// test/demo/main.ts: `npm run demo`: the gateway in front of a stand-in for the Claude API, with a month of history and three apps at work. No key needed.

import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startStandin } from '../standin/standin.ts';
import { ADMIN_KEY, billFrom } from './bill.ts';
import { demoConfig } from './config.ts';
import { ROOT, ZONE } from './ledger.ts';
import { openWithPast } from './past.ts';
import { startReceiver } from './receiver.ts';
import { keepAppsRunning, portTrouble, startGateway, stop, type Program } from './processes.ts';

const { values } = parseArgs({
  options: {
    'data-dir': { type: 'string', default: join(ROOT, 'data/demo') },
    listen: { type: 'string', default: '127.0.0.1:4100' },
    'admin-listen': { type: 'string', default: '127.0.0.1:4101' },
    calls: { type: 'string', default: '60000' },
    'no-apps': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const HELP = `The gateway in front of a stand-in for the Claude API, with a month of history. No key needed, nothing leaves this machine.

  npm run demo -- --data-dir data/demo        where its ledger is; a second start goes on with it
                  --listen 127.0.0.1:4100     for apps
                  --admin-listen 127.0.0.1:4101   for the dashboard
                  --calls 60000               calls in the 30 days of history, at the first start
                  --no-apps                   without the three sample apps
                  --verbose                   shows what the gateway and the apps print`;

if (values.help) console.log(HELP);
else process.exitCode = await run();

async function run(): Promise<number> {
  const { listen, 'admin-listen': adminListen, verbose } = values;
  const dataDir = resolve(values['data-dir']);
  const troubles = (await Promise.all([portTrouble(listen), portTrouble(adminListen)])).filter((trouble) => trouble !== null);
  if (troubles.length > 0) return fail(`${troubles.join('\n')}\nOther ports: npm run demo -- --listen 127.0.0.1:4110 --admin-listen 127.0.0.1:4111`);

  const stopping = new AbortController();
  const told = new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (stopping.signal.aborted ? process.exit(130) : (stopping.abort(), done())));
  });
  const standin = await startStandin({ seed: 'demo', pace: { firstByteMs: [250, 900], msPerToken: 9 }, reports: { adminKey: ADMIN_KEY, billedOn: billFrom(`http://${adminListen}`) }, log: { requests: 100, bodyBytes: 1_024 } });
  const receiver = await startReceiver();
  const config = join(dataDir, 'tollgate.yaml');
  let gateway: Program | null = null;
  const onLine = verbose ? (line: string) => console.log(`  ${line}`) : () => undefined;
  try {
    console.log(`history: 30 days of a lamp maker's calls, in ${dataDir}`);
    const { store, written } = await openWithPast({ dataDir, now: Date.now(), calls: Number(values.calls), signal: stopping.signal, onProgress: (text) => console.log(`  ${text}`) });
    try {
      writeFileSync(config, await demoConfig({ ledger: store.ledger, now: Date.now(), zone: ZONE, upstream: standin.url, alertsTo: receiver.url, pricesFile: join(ROOT, 'config/prices.yaml') }));
    } finally {
      await store.ledger.close();
    }
    console.log(`history: ${written.calls.toLocaleString('en')} calls written`);
    if (stopping.signal.aborted) return 0;
    gateway = await startGateway({ config, dataDir, listen, adminListen, onLine });
    console.log(greeting(listen, adminListen, config, standin.url));
    const apps = values['no-apps'] ? Promise.resolve() : keepAppsRunning({ baseUrl: `http://${listen}`, adminUrl: `http://${adminListen}`, signal: stopping.signal, onLine });
    const ended = await Promise.race([told.then(() => null), gateway.ended]);
    const byItself = !stopping.signal.aborted;
    stopping.abort();
    console.log(byItself ? `the gateway ended by itself, with code ${ended}` : '\nstopping');
    await apps;
    return byItself ? 1 : 0;
  } catch (cause) {
    if (stopping.signal.aborted) return 0;
    return fail(cause instanceof Error ? cause.message : String(cause));
  } finally {
    if (gateway) await stop(gateway);
    await receiver.close();
    await standin.close();
  }
}

function greeting(listen: string, adminListen: string, config: string, upstream: string): string {
  return `
  dashboard          http://${adminListen}
  base URL for apps  http://${listen}
  metrics            http://${adminListen}/metrics
  config             ${config}
  stand-in           ${upstream}

A call of your own:
  curl http://${listen}/v1/messages -H "x-api-key: tg_demo_ticket_triage_5d1c" -H "anthropic-version: 2023-06-01" -H "content-type: application/json" \\
    -d '{"model":"fast","max_tokens":64,"messages":[{"role":"user","content":"Hello"}]}'

${values['no-apps'] ? 'No sample apps are running.' : 'Three sample apps are at work: ticket-triage, product-descriptions, writing-assistant.'} Ctrl-C stops everything.`;
}

function fail(message: string): number {
  console.error(message);
  return 1;
}
