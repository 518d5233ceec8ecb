// server/store/sqlite/grants.ts: temporary raises of budgets, in memory for whoever decides, and on disk.

import { randomBytes } from 'node:crypto';
import { DAY_MS } from '../../domain/durations.ts';
import { GrantError, type Grant, type GrantBook } from '../../domain/grant.ts';
import { epochMs, type BudgetId, type Clock, type EpochMs } from '../../domain/ids.ts';
import { nanodollars } from '../../domain/money.ts';
import type { StoredGrant } from './grants-table.ts';
import { OP } from './operations.ts';
import { OperationFailed, type WriterClient } from './writer-client.ts';

/** How long a grant is listed after its end. */
const LISTED_MS = 90 * DAY_MS;

export class SqliteGrants implements GrantBook {
  readonly #writer: WriterClient;
  readonly #clock: Clock;
  #grants: readonly Grant[];
  /** Hears of every change, once it is durable. */
  onChange: (grants: readonly Grant[]) => void = () => undefined;

  private constructor(writer: WriterClient, clock: Clock, stored: readonly StoredGrant[]) {
    this.#writer = writer;
    this.#clock = clock;
    this.#grants = stored.map(grantOf);
  }

  static async open(writer: WriterClient, clock: Clock): Promise<SqliteGrants> {
    return new SqliteGrants(writer, clock, await stored(writer, clock));
  }

  list(): readonly Grant[] {
    return this.#grants;
  }

  async create({ budget, amount, until, reason, actor }: Parameters<GrantBook['create']>[0]): Promise<Grant> {
    const id = `grant_${randomBytes(8).toString('hex')}`;
    await this.#writer.write([OP.grant, id, budget, String(amount), this.#clock.now(), until, reason, actor]);
    return this.#taken(id);
  }

  async revoke({ id, budget, actor }: Parameters<GrantBook['revoke']>[0]): Promise<Grant> {
    try {
      await this.#writer.write([OP.grantRevoke, id, budget, this.#clock.now(), actor]);
    } catch (error) {
      throw error instanceof OperationFailed ? new GrantError(error.code, error.message) : error;
    }
    return this.#taken(id);
  }

  async #taken(id: string): Promise<Grant> {
    this.#grants = (await stored(this.#writer, this.#clock)).map(grantOf);
    this.onChange(this.#grants);
    const grant = this.#grants.find((known) => known.id === id);
    if (grant === undefined) throw new GrantError('unknown_grant', `there is no grant ${id} any more`);
    return grant;
  }
}

const stored = (writer: WriterClient, clock: Clock): Promise<readonly StoredGrant[]> => writer.ask<readonly StoredGrant[]>({ kind: 'grants', since: clock.now() - LISTED_MS });

const grantOf = (row: StoredGrant): Grant => ({
  ...row,
  budget: row.budget as BudgetId,
  amount: nanodollars(row.amount),
  createdAt: epochMs(row.createdAt),
  until: epochMs(row.until),
  revokedAt: row.revokedAt as EpochMs | null,
});
