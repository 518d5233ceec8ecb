// server/cli/known-workspaces.ts: whether there is such a workspace: a report on a name that nobody bears looks like one on nothing spent.

import type { PoliciesAnswer, UsageAnswer } from '../http/admin/wire.ts';
import { nearest } from '../settings/mistakes.ts';
import type { AdminClient } from './admin-client.ts';
import { CommandError } from './exit.ts';

const MOST_LISTED = 20;

/** @throws CommandError for a name that neither the config nor the ledger knows */
export async function mustBeKnown(workspaces: readonly string[] | undefined, client: Pick<AdminClient, 'json'>): Promise<void> {
  if (workspaces === undefined || workspaces.length === 0) return;
  const declared = (await client.json<PoliciesAnswer>('GET', '/api/policies')).workspaces.map(({ id }) => id);
  if (workspaces.every((name) => declared.includes(name))) return;
  // Those of older configs, and those that calls named where any may be.
  const { rows } = await client.json<UsageAnswer>('GET', `/api/usage?${new URLSearchParams({ from: '1970-01-01', group_by: 'workspace' })}`);
  const known = [...new Set([...declared, ...rows.map(({ workspace }) => workspace ?? '')])].filter((name) => name !== '');
  for (const name of workspaces) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    const others = known.length > MOST_LISTED ? `${known.slice(0, MOST_LISTED).join(', ')} and ${known.length - MOST_LISTED} more` : known.join(', ');
    throw new CommandError(`no workspace ${name}; ${near === null ? `there is ${others || 'none'}` : `nearest: ${near}`}`);
  }
}
