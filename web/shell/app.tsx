// web/shell/app.tsx: the frame around the pages: navigation, bar, notices, and which page is on.

import { useEffect } from 'preact/hooks';
import type { ReconciliationAnswer, SessionAnswer, StatusAnswer } from '../../server/http/admin/wire.ts';
import { billWords, fullTime, percent } from '../format.ts';
import { alertSaid, openAlerts } from '../live.ts';
import { Skeleton } from '../parts/panel.tsx';
import { signedOut, signOut, useAsk, type Asked } from '../server.ts';
import { addressWith, FILTER_FIELDS, FILTERS, filters, follow, page, unknownParameters, type Page } from '../state/location.ts';
import { learnZone, now, range, rangeName, zone, zoneKnown } from '../state/period.ts';
import { Bar } from './bar.tsx';
import { FIELD_WORDS, FilterDialog, valueWord } from './filter-dialog.tsx';
import { Help } from './help.tsx';
import { helpOpen } from './keyboard.ts';
import { GROUPS, NAMES, PageOn } from './pages.tsx';
import { PeriodDialog } from './period-dialog.tsx';
import { SignIn } from './sign-in.tsx';
import { chooseTheme, theme, THEMES } from './theme.ts';

export function App() {
  const status = useAsk<StatusAnswer>('/api/status', 'status');
  const bill = useAsk<ReconciliationAnswer>('/api/reconciliation');
  const on = page.value;
  useEffect(() => {
    // Where the pages are a row that scrolls, the one that is on comes into sight.
    document.querySelector('.nav-groups [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
    document.title = on ? `${NAMES[on]} · Tollgate` : 'Tollgate';
  }, [on]);
  useEffect(() => {
    if (status.data) learnZone(status.data.timezone);
  }, [status.data?.timezone]);
  if (signedOut.value) return <SignIn />;
  return (
    <div class="frame">
      <a class="skip" href="#main">Skip to the figures</a>
      <nav aria-label="Pages">
        <a class="brand" href={addressWith({}, 'overview')} onClick={follow}>
          <img src="/icon.svg" alt="" width="24" height="24" /> Tollgate
        </a>
        <div class="nav-groups">
          {GROUPS.map((group) => (
            <div key={group.name}>
              {group.name && <p class="nav-group">{group.name}</p>}
              <ul>
                {group.pages.map((name) => (
                  <li key={name}>
                    <a href={addressWith({}, name)} onClick={follow} aria-current={on === name || (on === 'statement' && name === 'workspaces') ? 'page' : undefined}>
                      <NavIcon name={name} /> {NAMES[name]}{name === 'budgets' && <OpenAlerts status={status} />}
                    </a>
                  </li>
                ))}
              </ul>
            </div>
          ))}
        </div>
        <div class="nav-foot">
          <Badges status={status} bill={bill} />
          <ThemeChoice />
          <SignOut />
          <button type="button" class="quiet" onClick={() => (helpOpen.value = true)}><kbd>?</kbd> Keyboard</button>
          {status.data && <p class="muted version">Version {status.data.version}</p>}
        </div>
      </nav>
      <main id="main" tabIndex={-1}>
        <header class="page-head">
          <h1>{on ? NAMES[on] : 'Not a page'}</h1>
          {on && <Bar quiet={on !== 'planner' && status.data !== null && !status.data.first_run.has_traffic} badges={<Badges status={status} bill={bill} />} />}
        </header>
        <p class="unseen" role="status">{alertSaid.value}</p>
        <Notices status={status} />
        {on ? zoneKnown.value || status.failure ? <PageOn name={on} status={status} /> : <Skeleton kind="chart" /> : <p class="empty">There is no page here. <a href="/" onClick={follow}>To the overview</a></p>}
        {on && <PrintFoot page={NAMES[on]} digest={status.data?.config.digest ?? null} />}
      </main>
      <Help />
      <FilterDialog />
      <PeriodDialog />
    </div>
  );
}

/** How many alerts fire that nobody has taken on; the stream tells sooner than the status is asked for. */
function OpenAlerts({ status }: { status: Asked<StatusAnswer> }) {
  // A status that was asked for later than the last event knows better.
  useEffect(() => {
    if (status.data) openAlerts.value = status.data.alerts.open;
  }, [status.data]);
  const open = openAlerts.value ?? 0;
  return open === 0 ? null : <span class={`count ${status.data?.alerts.worst === 'info' ? '' : 'urgent'}`} title={`${open} ${open === 1 ? 'alert fires' : 'alerts fire'} that nobody has taken on`}>{open}<span class="unseen"> {open === 1 ? 'alert fires' : 'alerts fire'}</span></span>;
}

/** How far the figures can be trusted: the share of the cost that came from complete usage and listed prices, and whether they were held against the bill. */
function Badges({ status, bill }: { status: Asked<StatusAnswer>; bill: Asked<ReconciliationAnswer> }) {
  const pricing = status.data?.pricing;
  if (!pricing || pricing.exact_ratio === null) return null;
  const trouble = pricing.ceiling_priced > 0 || pricing.exact_ratio < 0.95;
  return (
    <>
      <a class={`badge ${trouble ? 'warn' : 'good'}`} href={addressWith({ [FILTERS.estimated]: 'true', from: 'now-7d', to: null }, 'requests')} onClick={follow} title={`Of the cost of the last 7 days; the rest is estimated. The price book was last checked on ${pricing.book_verified_on ?? 'an unknown day'}. Open the estimates.`}>
        <span aria-hidden="true">{trouble ? '!' : '✓'}</span> {percent(pricing.exact_ratio)} exact
      </a>
      <BillBadge bill={bill.data} />
    </>
  );
}

/** The ledger less the provider's bill, of the latest day compared; amber above 1 %, which estimates alone seldom explain. */
function BillBadge({ bill }: { bill: ReconciliationAnswer | null }) {
  const ratio = bill?.difference_ratio ?? null;
  const look = ratio === null ? 'plain' : Math.abs(ratio) > 0.01 ? 'warn' : 'good';
  return (
    <a class={`badge ${look}`} href={addressWith({}, 'workspaces')} onClick={follow} title={billTitle(bill)}>
      <span aria-hidden="true">{look === 'plain' ? '–' : look === 'warn' ? '!' : '✓'}</span> {ratio === null ? 'Bill not compared' : billWords(ratio)}
    </a>
  );
}

function billTitle(bill: ReconciliationAnswer | null): string {
  if (bill?.enabled !== true) return "Tollgate does not see the provider's bill. Hold the monthly statement of each workspace against it, or set reconciliation.admin_key.";
  if (bill.difference_ratio === null) return bill.trouble ?? 'No day has been compared yet.';
  const day = bill.days[0];
  return `Ledger less bill${day ? ` on ${day.day} (UTC)` : ''}, all workspaces together.${bill.trouble === null ? '' : ` The latest try did not work: ${bill.trouble}`}`;
}

/** On paper alone: what was shown, so that the sheet can be told from another and found again. */
function PrintFoot({ page: name, digest }: { page: string; digest: string | null }) {
  const chosen = FILTER_FIELDS.flatMap((field) => filters.value[field].map((value) => `${FIELD_WORDS[field].toLowerCase()} ${valueWord(field, value)}`));
  return (
    <p class="print-foot" aria-hidden="true">
      Tollgate · {name} · {rangeName(range.value, zone.value)} · {chosen.length === 0 ? 'no filter' : chosen.join(', ')} · {zone.value} · printed {fullTime(now.value, zone.value)} · {location.pathname + location.search}{digest && ` · configuration ${digest.slice(0, 12)}`}
    </p>
  );
}

function SignOut() {
  const session = useAsk<SessionAnswer>('/api/session');
  return session.data?.required ? <button type="button" class="quiet" onClick={() => void signOut()}>Sign out</button> : null;
}

function ThemeChoice() {
  return (
    <div class="segments small" role="group" aria-label="Theme">
      {THEMES.map((one) => (
        <button type="button" key={one} aria-pressed={theme.value === one} onClick={() => chooseTheme(one)}>{one[0]!.toUpperCase() + one.slice(1)}</button>
      ))}
    </div>
  );
}

function Notices({ status }: { status: Asked<StatusAnswer> }) {
  const unknown = unknownParameters.value;
  const reload = status.data?.config.last_reload;
  return (
    <>
      {unknown.length > 0 && <p class="notice" role="status">The address holds what this version does not know, and ignores it: {unknown.join(', ')}.</p>}
      {reload && !reload.ok && <p class="notice bad" role="alert">The configuration was changed but could not be read; the one before is still in force. {reload.error}</p>}
      {status.data && !status.data.ready && <p class="notice bad" role="alert">The gateway is not ready: {status.data.not_ready_because.join('; ')}.</p>}
    </>
  );
}

const ICONS: Readonly<Record<Page, string>> = {
  overview: 'M4 19V10M10 19V5M16 19v-7M22 19H2',
  requests: 'M4 6h16M4 12h16M4 18h10',
  budgets: 'M4 18a8 8 0 1 1 16 0M12 18l4-6',
  workspaces: 'M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z',
  workflows: 'M5 4v6a4 4 0 0 0 4 4h10M15 10l4 4-4 4M5 14v6',
  users: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM3 20a6 6 0 0 1 12 0M16 4.5a3.5 3.5 0 0 1 0 6M18 14.5a6 6 0 0 1 3 5.5',
  models: 'M12 3l8 4.5v9L12 21l-8-4.5v-9zM12 12l8-4.5M12 12v9M12 12L4 7.5',
  limits: 'M3 12h4l3 7 4-14 3 7h4',
  policies: 'M12 3l8 3v6c0 4.5-3.2 7.6-8 9-4.8-1.4-8-4.5-8-9V6zM9 12l2 2 4-4',
  statement: '', // Not among the pages on the left: a workspace leads to it.
  savings: 'M12 3v18M16.5 7.5C15.5 6 14 5.5 12 5.5c-2.5 0-4.5 1.2-4.5 3.2 0 4.4 9.4 2.2 9.4 6.6 0 2-2.2 3.2-4.9 3.2-2.3 0-4-.8-5-2.5',
  planner: 'M6 3h12v18H6zM9 7h6M9 12h.01M12 12h.01M15 12h.01M9 16h.01M12 16h.01M15 16h.01',
};
function NavIcon({ name }: { name: Page }) {
  return <svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true"><path d={ICONS[name]} fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" /></svg>;
}
