// server/http/admin/export-route.ts: what every export does besides writing its table.

import type { Response } from 'express';
import type { Input } from './route.ts';

/** Tells the browser that a file comes, and its name. */
export function attach(res: Response, name: string): void {
  res.status(200).setHeader('content-type', 'text/csv; charset=utf-8; header=present').setHeader('content-disposition', `attachment; filename="${name}"`);
}

/** Who took what out. A ledger that cannot be written does not keep anyone from reading. */
export async function audited({ services, actor, now }: Pick<Input<unknown, null>, 'services' | 'actor' | 'now'>, action: string, range: { from: string; to: string }): Promise<void> {
  try {
    await services.ledger.audit({ at: now, actor: actor?.name ?? 'nobody', action, subject: `${range.from}/${range.to}`, detail: '{}' });
  } catch {
    services.log.warn('audit_failed', { reason: action });
  }
}
