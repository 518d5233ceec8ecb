// test/standin/errors.ts: refusals in the API's own shape.

export type ApiErrorType =
  | 'invalid_request_error' | 'authentication_error' | 'billing_error' | 'permission_error' | 'not_found_error' | 'conflict_error'
  | 'request_too_large' | 'rate_limit_error' | 'api_error' | 'timeout_error' | 'overloaded_error';

const STATUS = {
  invalid_request_error: 400, authentication_error: 401, billing_error: 402, permission_error: 403, not_found_error: 404, conflict_error: 409,
  request_too_large: 413, rate_limit_error: 429, api_error: 500, timeout_error: 504, overloaded_error: 529,
} as const satisfies Record<ApiErrorType, number>;

/** What the stand-in throws to answer with an error; the server turns it into a response. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly type: ApiErrorType;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** `error.details.error_code`; null leaves `details` out. */
  readonly code: string | null;

  constructor(type: ApiErrorType, message: string, more: { status?: number; headers?: Record<string, string>; code?: string } = {}) {
    super(message);
    this.type = type;
    this.status = more.status ?? STATUS[type];
    this.headers = more.headers ?? {};
    this.code = more.code ?? null;
  }

  /** The body as sent. */
  body(requestId: string): string {
    const error = { type: this.type, message: this.message, ...(this.code === null ? {} : { details: { error_code: this.code } }) };
    return JSON.stringify({ type: 'error', error, request_id: requestId });
  }
}

export const invalid = (message: string): ApiError => new ApiError('invalid_request_error', message);
