// server/meter/json-body.ts: a body that is one JSON document: collected whole, then asked for its usage or its error.

import type { Endpoint } from '../domain/call.ts';
import type { Account } from './account.ts';
import { asObject } from './usage-merge.ts';

/** A larger body is not collected; Anthropic's own are a fraction of it. */
export const BODY_BYTES = 64 * 1024 * 1024;

/** Collects copies of a body's chunks and reads them when it is over. */
export class JsonBody {
  readonly #account: Account;
  readonly #endpoint: Endpoint;
  readonly #isError: boolean;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(account: Account, endpoint: Endpoint, isError: boolean) {
    this.#account = account;
    this.#endpoint = endpoint;
    this.#isError = isError;
  }

  tap(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes <= BODY_BYTES) this.#chunks.push(Buffer.from(chunk));
    else this.#chunks = [];
  }

  end(): void {
    const account = this.#account;
    // Until something is read from it, the body's size is all there is to estimate by; an error is no generated content.
    if (!this.#isError) account.contentBytes = this.#bytes;
    if (this.#bytes > BODY_BYTES) return account.stuck('oversized_event');
    if (this.#bytes === 0) return;
    let body;
    try {
      body = asObject(JSON.parse(Buffer.concat(this.#chunks).toString('utf8')));
    } catch {
      return account.stuck('unparsable');
    } finally {
      this.#chunks = [];
    }
    if (!body) return;
    readBody(body, this.#endpoint, account);
  }
}

function readBody(body: NonNullable<ReturnType<typeof asObject>>, endpoint: Endpoint, account: Account): void {
  if (asObject(body['error'])) {
    account.error(body['error']);
    account.contentBytes = 0;
    return;
  }
  account.model(body['model']);
  account.stopReason(body['stop_reason']);
  if (endpoint === 'chat_completions') {
    account.chatUsage(body['usage']);
    const choice = Array.isArray(body['choices']) ? asObject(body['choices'][0]) : null;
    account.stopReason(choice?.['finish_reason']);
  } else {
    account.usage(body['usage'], true);
  }
  if (asObject(body['usage'])) account.contentBytes = 0;
  else if (typeof body['completion'] === 'string') account.contentBytes = Buffer.byteLength(body['completion']);
  account.ended();
}
