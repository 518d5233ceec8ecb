// server/identify/prompt-layout.ts: where the parts of a prompt stand in a body, noted by the scan that reads its governed fields.

/** One of `tools`, `system`, `messages`, as offsets in the decoded body. */
export interface Section {
  /** Of its JSON value: [start, end). */
  readonly start: number;
  readonly end: number;
  /** Where each element ends; empty where the value is no list. */
  readonly ends: readonly number[];
  /** Which elements hold a `cache_control`, by their place in `ends`. */
  readonly marked: readonly number[];
}

/** Filled by one scan. Holds numbers, never text. */
export class PromptLayout {
  tools: Section | null = null;
  system: Section | null = null;
  messages: Section | null = null;
  /** True where the body asks for caching as a whole, so that its last block is the breakpoint. */
  automatic = false;
  /** Where each `cache_control` member of a block stands, name and value: start, end, start, end… in the order of the body. */
  readonly markers: number[] = [];
}
