// web/shell/pages.tsx: the pages by name and group, and the page that is on. Pages past the first three are loaded when they are first asked for.

import type { ComponentType } from 'preact';
import { useEffect, useErrorBoundary, useState } from 'preact/hooks';
import type { StatusAnswer } from '../../server/http/admin/wire.ts';
import { Budgets } from '../pages/budgets/page.tsx';
import { Overview } from '../pages/overview/page.tsx';
import { Requests } from '../pages/requests/page.tsx';
import type { Asked } from '../server.ts';
import type { Page } from '../state/location.ts';

export interface PageProps {
  readonly status: Asked<StatusAnswer>;
}

export const NAMES: Readonly<Record<Page, string>> = {
  overview: 'Overview', workspaces: 'Workspaces', workflows: 'Workflows', users: 'Users', models: 'Models',
  requests: 'Requests', limits: 'Limits & health', budgets: 'Budgets & alerts', policies: 'Policies & audit', planner: 'Planner', savings: 'Savings', statement: 'Statement',
};

/** The order of work: what happened, who spends, what exactly, what holds it. */
export const GROUPS: readonly { readonly name: string | null; readonly pages: readonly Page[] }[] = [
  { name: null, pages: ['overview', 'requests'] },
  { name: 'Who spends', pages: ['workspaces', 'workflows', 'users', 'models'] },
  { name: 'What holds', pages: ['budgets', 'limits', 'policies'] },
  { name: 'What if', pages: ['savings', 'planner'] },
];

const AT_HAND: Readonly<Partial<Record<Page, ComponentType<PageProps>>>> = { overview: Overview, requests: Requests, budgets: Budgets };
const LATER: Readonly<Partial<Record<Page, () => Promise<ComponentType<PageProps>>>>> = {
  workspaces: async () => (await import('../pages/workspaces/page.tsx')).Workspaces,
  workflows: async () => (await import('../pages/workflows/page.tsx')).Workflows,
  users: async () => (await import('../pages/users/page.tsx')).Users,
  models: async () => (await import('../pages/models/page.tsx')).Models,
  limits: async () => (await import('../pages/limits/page.tsx')).Limits,
  policies: async () => (await import('../pages/policies/page.tsx')).Policies,
  savings: async () => (await import('../pages/savings/page.tsx')).Savings,
  planner: async () => (await import('../pages/planner/page.tsx')).Planner,
  statement: async () => (await import('../pages/statement/page.tsx')).Statement,
};
const loaded = new Map<Page, ComponentType<PageProps>>();

export function PageOn({ name, status }: PageProps & { readonly name: Page }) {
  const [, turn] = useState(0);
  const [failed, setFailed] = useState<Page | null>(null);
  const Found = AT_HAND[name] ?? loaded.get(name);
  const [broken, setBroken] = useState<{ on: string; message: string } | null>(null);
  // A mistake of ours in one page leaves the frame and the other pages standing.
  useErrorBoundary((error: unknown) => {
    // With its place, for who reports it.
    console.error(error);
    setBroken({ on: location.href, message: error instanceof Error ? error.message : String(error) });
  });
  useEffect(() => {
    if (Found) return;
    LATER[name]?.().then(
      (page) => {
        loaded.set(name, page);
        turn((n) => n + 1);
      },
      // A gateway that was upgraded meanwhile has this page under another file name; loading anew finds it.
      () => setFailed(name),
    );
  }, [name, Found]);
  if (Found && broken?.on === location.href) return <div class="failed" role="alert"><p><strong>This page broke.</strong> {broken.message}</p><button type="button" onClick={() => location.reload()}>Load anew</button></div>;
  if (Found) return <Found status={status} />;
  if (failed === name) {
    return <div class="failed" role="alert"><p><strong>This page could not be loaded.</strong> The gateway may have been upgraded since the dashboard was opened.</p><button type="button" onClick={() => location.reload()}>Load anew</button></div>;
  }
  return <div class="skeleton list" role="status"><span class="unseen">Loading…</span></div>;
}
