// test/standin/fault-answers.ts: faults that take the place of the whole answer: error statuses, foreign pages, empty bodies, redirects.

import type { Answer } from './answer.ts';
import { ApiError, type ApiErrorType } from './errors.ts';
import type { Faults } from './faults.ts';

const TYPE_OF: Readonly<Record<number, ApiErrorType>> = {
  400: 'invalid_request_error', 401: 'authentication_error', 402: 'billing_error', 403: 'permission_error', 404: 'not_found_error', 409: 'conflict_error',
  413: 'request_too_large', 429: 'rate_limit_error', 503: 'api_error', 504: 'timeout_error', 529: 'overloaded_error',
};

const MESSAGE_OF: Readonly<Record<number, string>> = { 500: 'Internal server error', 503: 'Service unavailable', 504: 'The request timed out', 529: 'Overloaded' };

/** Null when no fault replaces the answer. */
export function faultAnswer(faults: Faults, requestId: string): Answer | null {
  const error = (cause: ApiError): Answer => plain(cause.status, 'application/json', cause.body(requestId), cause.headers);
  if (faults.has('rate-limit')) {
    return error(new ApiError('rate_limit_error', "This request would exceed your organization's rate limit of 50 requests per minute.", { headers: { 'retry-after': String(faults.number('rate-limit', 1)), 'anthropic-ratelimit-requests-limit': '50', 'anthropic-ratelimit-requests-remaining': '0' } }));
  }
  if (faults.has('rate-limit-bare')) return error(new ApiError('rate_limit_error', 'Number of concurrent connections has exceeded your rate limit. Please try again later.'));
  if (faults.has('spend-cap-429')) return error(new ApiError('rate_limit_error', 'Your organization has reached its monthly spend limit.', { code: 'enforced_spend_limit_reached' }));
  if (faults.has('spend-cap-400')) return error(new ApiError('invalid_request_error', 'You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.'));
  if (faults.has('status')) {
    const status = faults.number('status', 500);
    const type = faults.text('status', TYPE_OF[status] ?? 'api_error', 1) as ApiErrorType;
    return error(new ApiError(type, MESSAGE_OF[status] ?? 'The request failed', { status }));
  }
  if (faults.has('html')) {
    const status = faults.number('html', 502);
    return plain(status, 'text/html; charset=UTF-8', `<html>\r\n<head><title>${status} Bad Gateway</title></head>\r\n<body>\r\n<center><h1>${status} Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n`);
  }
  if (faults.has('empty-200')) return plain(200, 'application/json', '');
  if (faults.has('no-content')) return plain(204, null, '');
  if (faults.has('redirect')) return plain(faults.number('redirect', 307), null, '', { location: faults.text('redirect', 'https://elsewhere.example/v1/messages', 1) });
  return null;
}

function plain(status: number, type: string | null, body: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { ...(type === null ? {} : { 'content-type': type }), ...headers }, body: Buffer.from(body), model: null, usage: null, billed: null };
}
