// server/http/admin/errors.ts: the no of the admin API: a status, a code for programs, a sentence for people.

import { AdviceError } from '../../domain/advice.ts';
import { KeyRingError } from '../../domain/directory.ts';
import { GrantError } from '../../domain/grant.ts';
import { LedgerUnavailable } from '../../domain/ledger.ts';
import { BadQuery, ReportsUnavailable } from '../../domain/reports.ts';
import type { ErrorAnswer } from './wire.ts';

export class AdminError extends Error {
  readonly status: number;
  readonly code: string;
  /** Whole seconds; null sends no `retry-after`. */
  readonly retryAfterSeconds: number | null;
  constructor(status: number, code: string, message: string, retryAfterSeconds: number | null = null) {
    super(message);
    this.name = 'AdminError';
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export const badQuery = (message: string): AdminError => new AdminError(400, 'bad_query', message);
export const badBody = (message: string): AdminError => new AdminError(400, 'bad_body', message);

const KEY_RING_STATUS: Readonly<Record<string, number>> = { unknown_key: 404, taken: 409, declared_in_config: 409, unknown_workspace: 400, unknown_workflow: 400 };

/** What an expected error answers; null for one that nobody expected, which is logged and answers 500 without detail. */
export function expected(error: unknown): AdminError | null {
  if (error instanceof AdminError) return error;
  if (error instanceof BadQuery) return badQuery(error.message);
  if (error instanceof KeyRingError) return new AdminError(KEY_RING_STATUS[error.code] ?? 400, error.code, error.message);
  if (error instanceof AdviceError) return new AdminError(404, error.code, error.message);
  if (error instanceof GrantError) return new AdminError(404, error.code, error.message);
  if (error instanceof LedgerUnavailable) return new AdminError(503, 'ledger_unavailable', 'The ledger cannot be written now; nothing was changed.', 5);
  if (error instanceof ReportsUnavailable) return new AdminError(503, 'reports_unavailable', 'The reports cannot be read now, or too many are being read at once. Ask again in a moment.', 2);
  if (error instanceof URIError) return new AdminError(400, 'bad_path', 'The path holds a broken percent sign.');
  return bodyError(error);
}

/** What the JSON parser of express throws: its own words can quote the body, so they are not passed on. */
function bodyError(error: unknown): AdminError | null {
  const type = typeof error === 'object' && error !== null && 'type' in error ? error.type : null;
  if (type === 'entity.too.large') return new AdminError(413, 'too_large', 'The body is larger than 64 KB.');
  if (type === 'entity.parse.failed') return badBody('The body is not valid JSON.');
  if (type === 'encoding.unsupported' || type === 'charset.unsupported') return new AdminError(415, 'unsupported', 'The body must be JSON in UTF-8.');
  if (type === 'request.aborted' || type === 'request.size.invalid') return badBody('The body ended before its announced length.');
  return null;
}

export const errorAnswer = (error: AdminError): ErrorAnswer => ({ error: { code: error.code, message: error.message } });
