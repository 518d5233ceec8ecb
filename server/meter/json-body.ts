// server/meter/json-body.ts: a body that is one JSON document: collected whole, then asked for its usage or its error.

import type { Endpoint } from '../domain/call.ts';
import { Cursor, Names } from '../domain/json-cursor.ts';
import type { ReadMessage } from '../domain/meter.ts';
import { Account } from './account.ts';
import { asObject } from './usage-merge.ts';

/** A larger body is not collected; Anthropic's own are a fraction of it. */
export const BODY_BYTES = 64 * 1024 * 1024;

/** Collects a body's chunks and reads them when it is over. */
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
    if (this.#bytes <= BODY_BYTES) this.#chunks.push(chunk);
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
      const whole = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
      body = this.#endpoint === 'messages' ? accountOf(whole) : asObject(JSON.parse(whole.toString('utf8')));
    } catch {
      return account.stuck('unparsable');
    } finally {
      this.#chunks = [];
    }
    if (!body) return;
    readBody(body, this.#endpoint, account);
  }
}

const ACCOUNT = new Names(['id', 'model', 'stop_reason', 'usage', 'error', 'content', 'container']);
/** Content that is longer is not looked at: it is some. */
const EMPTY_CONTENT_BYTES = 64;

const SOME: readonly unknown[] = [null];

/**
 * The few members of a message that the meter reads, without building the content, which is nearly all of it. What the strict
 * walk does not take (a member twice, say) is parsed whole, as any client would.
 */
function accountOf(body: Buffer): Record<string, unknown> | null {
  try {
    const cursor = new Cursor(body);
    const found: Record<string, unknown> = {};
    if (cursor.kind() !== 'object') return null;
    cursor.object(ACCOUNT, (name) => {
      cursor.kind();
      const start = cursor.at;
      cursor.skip();
      if (name === 'content' && cursor.at - start > EMPTY_CONTENT_BYTES) found[name] = SOME;
      else if (name !== null) found[name] = JSON.parse(body.toString('utf8', start, cursor.at));
    });
    cursor.finish();
    return found;
  } catch {
    return asObject(JSON.parse(body.toString('utf8')));
  }
}

/** See `ReadMessage`. Nothing of it went by just now, so it has no time of first content. */
export const readMessage: ReadMessage = (message) => {
  const account = new Account(() => 0);
  account.contentBytes = message.length;
  try {
    const body = accountOf(message);
    if (body) readBody(body, 'messages', account);
  } catch {
    account.stuck('unparsable');
  }
  return account.reading();
};

function readBody(body: NonNullable<ReturnType<typeof asObject>>, endpoint: Endpoint, account: Account): void {
  if (asObject(body['error'])) {
    account.error(body['error']);
    account.contentBytes = 0;
    return;
  }
  account.messageId(body['id']);
  account.model(body['model']);
  account.stopReason(body['stop_reason']);
  if (endpoint === 'chat_completions') {
    account.chatUsage(body['usage']);
    const choice = Array.isArray(body['choices']) ? asObject(body['choices'][0]) : null;
    account.stopReason(choice?.['finish_reason']);
  } else {
    account.usage(body['usage'], true);
    account.container(body['container']);
  }
  const content = endpoint === 'messages' && Array.isArray(body['content']) ? body['content'] : null;
  if (content !== null) account.hasContent(content.length > 0);
  // Where the output was told, or there is none, nothing has to be estimated by it.
  if (account.outputTold || content?.length === 0) account.contentBytes = 0;
  else if (typeof body['completion'] === 'string') account.contentBytes = Buffer.byteLength(body['completion']);
  account.ended();
}
