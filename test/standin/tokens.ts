// test/standin/tokens.ts: counts tokens the same way every time. Not Anthropic's tokenizer (which is not public), but in its size and with its habits.

import type { ContentBlock } from '@anthropic-ai/sdk/resources/messages/messages.js';
import type { StandinModel } from './models.ts';

const BYTES_PER_TOKEN = { older: 3.6, newer: 3.6 / 1.3 } as const;
/** The hidden system prompt that comes with client tools; published figures for current models are 286 to 804. */
const TOOL_PROMPT = { older: 346, newer: 459 } as const;
/** Tools that the API defines itself cost a fixed prompt, whatever the request says about them. */
const BUILT_IN_TOOLS: readonly (readonly [prefix: string, tokens: number])[] = [['bash_', 245], ['text_editor_', 700], ['computer_', 4500], ['browser_', 6600], ['web_search_', 380], ['web_fetch_', 320], ['code_execution_', 410]];
const PER_MESSAGE = 3;
const PER_IMAGE = 1_560;

type Generation = Pick<StandinModel, 'tokenizer'>;

/** Whole tokens of a text; 0 for an empty one. */
export function countText(text: string, model: Generation): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN[model.tokenizer]);
}

/** The most UTF-8 bytes that still count as `tokens` or fewer. */
export function bytesFor(tokens: number, model: Generation): number {
  return Math.floor(tokens * BYTES_PER_TOKEN[model.tokenizer]);
}

export function toolPromptTokens(model: Generation): number {
  return TOOL_PROMPT[model.tokenizer];
}

export const MESSAGE_OVERHEAD = PER_MESSAGE;

/** One tool of a request: its JSON, or the fixed prompt of a tool that the API brings along. */
export function countTool(tool: Readonly<Record<string, unknown>>, model: Generation): number {
  const type = typeof tool['type'] === 'string' ? tool['type'] : 'custom';
  const builtIn = BUILT_IN_TOOLS.find(([prefix]) => type.startsWith(prefix));
  return builtIn ? builtIn[1] : countText(JSON.stringify({ ...tool, cache_control: undefined }), model);
}

/** One block of a prompt. Images count by a flat figure; base64 documents by their decoded size; everything else by its text. */
export function countBlock(block: unknown, model: Generation): number {
  if (typeof block === 'string') return countText(block, model);
  if (typeof block !== 'object' || block === null) return 0;
  const fields = block as Record<string, unknown>;
  if (fields['type'] === 'text') return countText(String(fields['text'] ?? ''), model);
  if (fields['type'] === 'image') return PER_IMAGE;
  if (fields['type'] === 'document') return countDocument(fields, model);
  if (fields['type'] === 'tool_result') return 4 + countContent(fields['content'], model);
  // Thinking of earlier turns is dropped from the prompt and not billed.
  if (fields['type'] === 'thinking' || fields['type'] === 'redacted_thinking') return 0;
  return countText(JSON.stringify({ ...fields, cache_control: undefined }), model);
}

function countDocument(fields: Record<string, unknown>, model: Generation): number {
  const source = fields['source'];
  const data = typeof source === 'object' && source !== null && 'data' in source && typeof source.data === 'string' ? source.data : null;
  if (data === null) return 2_000;
  const plain = typeof source === 'object' && source !== null && 'type' in source && source.type === 'text';
  return plain ? countText(data, model) : Math.max(1_500, Math.ceil(data.length / 40));
}

function countContent(content: unknown, model: Generation): number {
  if (Array.isArray(content)) return content.reduce((sum: number, block) => sum + countBlock(block, model), 0);
  return countBlock(content ?? '', model);
}

/** What a generated block counts in the answer. */
export function countOutput(block: ContentBlock, model: Generation): number {
  if (block.type === 'text') return countText(block.text, model);
  if (block.type === 'thinking') return countText(block.thinking, model);
  if (block.type === 'tool_use' || block.type === 'server_tool_use') return 18 + countText(block.name + JSON.stringify(block.input), model);
  return 0;
}
