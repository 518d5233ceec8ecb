// server/meter/account.ts: what is known of a response so far, whichever shape it comes in.

import type { Reading, Tokens } from '../domain/usage.ts';
import { asObject, asWord, UsageMerge } from './usage-merge.ts';

const NO_CONTENT = { noContent: true } as const;
const PROMPT_UNTOLD = { promptUntold: true } as const;
const CONTAINER = { container: true } as const;
const NOTHING = {} as const;

/** How the API says that the limit is reached which its customer set for the organization or a workspace: a bad request without a code, told by these words alone. */
const OWN_LIMIT = /^You have reached your specified (?:workspace )?API usage limits/;

/** Gathers a reading. Every method takes what came from outside as it is and never throws. */
export class Account {
  readonly #merge = new UsageMerge();
  readonly #monotonic: () => number;
  #modelServed: string | null = null;
  #messageId: string | null = null;
  #stopReason: string | null = null;
  #errorType: string | null = null;
  #errorCode: string | null = null;
  #firstContentAt: number | null = null;
  #obstacle: Reading['obstacle'] = null;
  #finalOutput = false;
  #ended = false;
  #hasContent: boolean | null = null;
  #container = false;
  #containerId: string | null = null;
  contentBytes = 0;

  readonly #onContent: ((bytes: number) => void) | null;

  constructor(monotonic: () => number, onContent: ((bytes: number) => void) | null = null) {
    this.#monotonic = monotonic;
    this.#onContent = onContent;
  }

  /** A Messages usage. @param final whether its output is the real count, and not the placeholder of `message_start` */
  usage(value: unknown, final: boolean): void {
    if (this.#merge.take(value) && final) this.#finalOutput = true;
  }

  /** A usage in OpenAI's shape. */
  chatUsage(value: unknown): void {
    if (this.#merge.takeChat(value)) this.#finalOutput = true;
  }

  /** Whether the real count of the output was told, as valid as a count can be. */
  get outputTold(): boolean {
    return this.#finalOutput;
  }

  get promptTold(): boolean {
    return this.#merge.promptTold;
  }

  tokens(): Tokens {
    return this.#merge.tokens();
  }

  model(value: unknown): void {
    this.#modelServed = asWord(value) ?? this.#modelServed;
  }

  messageId(value: unknown): void {
    this.#messageId = asWord(value) ?? this.#messageId;
  }

  stopReason(value: unknown): void {
    this.#stopReason = asWord(value) ?? this.#stopReason;
  }

  /** An error object, i.e. what stands under `error` in the body. Its message can quote a prompt, so that no word of it is kept. */
  error(value: unknown): void {
    const error = asObject(value);
    const message = error?.['message'];
    this.#errorType = asWord(error?.['type']) ?? 'unknown_error';
    this.#errorCode = typeof message === 'string' && OWN_LIMIT.test(message) ? 'specified_spend_limit_reached' : asWord(asObject(error?.['details'])?.['error_code']);
  }

  /** Content went by just now. */
  content(bytes: number): void {
    this.#firstContentAt ??= this.#monotonic();
    this.contentBytes += bytes;
    if (this.#onContent !== null) this.#onContent(bytes);
  }

  /** Whether there is content, as far as the answer has told; that there is some is never taken back. */
  hasContent(some: boolean): void {
    this.#hasContent = this.#hasContent === true || some;
  }

  /** The container that the answer names, where it names one. */
  container(value: unknown): void {
    const named = asObject(value);
    if (named === null) return;
    this.#container = true;
    this.#containerId = asWord(named['id']) ?? this.#containerId;
  }

  /** The first obstacle is the one that is told. */
  stuck(obstacle: NonNullable<Reading['obstacle']>): void {
    this.#obstacle ??= obstacle;
  }

  /** The response said itself that it is over. */
  ended(): void {
    this.#ended = true;
  }

  reading(): Reading {
    return {
      usage: this.#merge.usage(this.#modelServed),
      complete: this.#finalOutput && this.#merge.promptTold && this.#ended,
      ...(this.#merge.seen && !this.#merge.promptTold ? PROMPT_UNTOLD : NOTHING),
      ended: this.#ended,
      contentBytes: this.contentBytes,
      messageId: this.#messageId,
      ...(this.#hasContent === false && this.contentBytes === 0 ? NO_CONTENT : NOTHING),
      ...(this.#container ? CONTAINER : NOTHING),
      ...(this.#containerId === null ? NOTHING : { containerId: this.#containerId }),
      stopReason: this.#stopReason,
      errorType: this.#errorType,
      errorCode: this.#errorCode,
      firstContentAt: this.#firstContentAt,
      obstacle: this.#obstacle,
    };
  }
}
