// test/standin/answer.ts: what a route hands to the wire: one body, or a list of events.

import type { Usage } from '@anthropic-ai/sdk/resources/messages/messages.js';
import type { ReportedUsage } from './log.ts';

export interface SseEvent {
  /** Null sends no `event:` line, as the OpenAI-compatible streams do. */
  readonly name: string | null;
  /** The text after `data:`. */
  readonly data: string;
  /** What the receiver knows of the usage once it has this event; absent where the event tells nothing. */
  readonly tells?: Usage;
  /** Generated tokens that this event carries, for the pace. */
  readonly tokens?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | readonly SseEvent[];
  readonly model: string | null;
  /** Told by a body of its own; in a stream the events tell it. */
  readonly usage: Usage | null;
  readonly billed: Usage | null;
  readonly items?: readonly ReportedUsage[];
  /** Tokens generated, for the pace. */
  readonly outputTokens?: number;
  /** Called when the response begins. */
  readonly onBegin?: () => void;
}

export function jsonAnswer(value: unknown, more: Partial<Answer> = {}): Answer {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(value)), model: null, usage: null, billed: null, ...more };
}
