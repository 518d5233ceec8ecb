// test/standin/draft.ts: what the model "says": content blocks and why it stopped, from a seed and the request.

import type { ContentBlock, MessageCreateParamsBase, StopReason, ToolUseBlock } from '@anthropic-ai/sdk/resources/messages/messages.js';
import type { Chance } from './chance.ts';
import type { StandinModel } from './models.ts';
import { cutToBytes, prose } from './prose.ts';
import { sampleOf } from './sample.ts';
import { bytesFor, countOutput } from './tokens.ts';

export interface Draft {
  readonly content: ContentBlock[];
  readonly stopReason: StopReason;
  readonly stopSequence: string | null;
  /** Everything generated, thinking included. */
  readonly outputTokens: number;
  readonly thinkingTokens: number;
  /** Successful web searches; each is a further turn of the model over a longer prompt. */
  readonly searches: number;
}

/** What a test or a header may fix about an answer; what is absent is left to the seed. */
export interface DraftWishes {
  readonly text?: string | undefined;
  readonly outputTokens?: number | undefined;
  readonly searches?: number | undefined;
}

const signature = (chance: Chance): string => Buffer.from(chance.id('', 96)).toString('base64');

export function draftAnswer(params: MessageCreateParamsBase, model: StandinModel, chance: Chance, wishes: DraftWishes = {}): Draft {
  if (params.max_tokens === 0) return { content: [], stopReason: 'max_tokens', stopSequence: null, outputTokens: 0, thinkingTokens: 0, searches: 0 };
  const asked = lastUserText(params);
  const thinking = thinkingBlock(params, chance);
  const searches = wishes.searches ?? searchesFor(params, asked, chance);
  const spent = [...thinking, ...searchBlocks(searches, asked, chance)];
  const room = Math.max(0, params.max_tokens - tokensOf(spent, model));

  const tool = wishes.text === undefined ? toolCall(params, asked, chance) : null;
  if (tool) {
    const lead: ContentBlock[] = [{ type: 'text', citations: null, text: `I'll use ${tool.name} for that.` }];
    const content = [...spent, ...lead, tool];
    const outputTokens = tokensOf(content, model);
    if (outputTokens <= params.max_tokens) return finish(content, 'tool_use', null, model, searches);
  }

  const cut = textFor(params, asked, model, chance, wishes, room);
  const content: ContentBlock[] = cut.text === '' ? spent : [...spent, { type: 'text', citations: null, text: cut.text }];
  return finish(content, cut.stopReason, cut.stopSequence, model, searches);
}

function finish(content: ContentBlock[], stopReason: StopReason, stopSequence: string | null, model: StandinModel, searches: number): Draft {
  const thinkingTokens = tokensOf(content.filter((b) => b.type === 'thinking'), model);
  return { content, stopReason, stopSequence, outputTokens: Math.max(1, tokensOf(content, model)), thinkingTokens, searches };
}

const tokensOf = (content: readonly ContentBlock[], model: StandinModel): number => content.reduce((sum, block) => sum + countOutput(block, model), 0);

/** The text within `room` tokens, cut at the first stop sequence. */
function textFor(params: MessageCreateParamsBase, asked: string, model: StandinModel, chance: Chance, wishes: DraftWishes, room: number): { text: string; stopReason: StopReason; stopSequence: string | null } {
  const whole = wishes.text ?? (wishes.outputTokens !== undefined ? exactly(wishes.outputTokens, model, chance) : naturalText(params, asked, model, chance));
  const fitting = cutToBytes(whole, bytesFor(room, model));
  const stops = (params.stop_sequences ?? []).map((stop) => ({ stop, at: fitting.indexOf(stop) })).filter((s) => s.at !== -1);
  const first = stops.sort((a, b) => a.at - b.at)[0];
  if (first) return { text: fitting.slice(0, first.at), stopReason: 'stop_sequence', stopSequence: first.stop };
  return { text: fitting, stopReason: fitting.length < whole.length ? 'max_tokens' : 'end_turn', stopSequence: null };
}

const exactly = (tokens: number, model: StandinModel, chance: Chance): string => cutToBytes(prose(chance, bytesFor(tokens, model)), bytesFor(tokens, model));

function naturalText(params: MessageCreateParamsBase, asked: string, model: StandinModel, chance: Chance): string {
  const schema = params.output_config?.format?.schema;
  if (schema) return JSON.stringify(sampleOf(schema, chance));
  const labels = /\bone of(?: these)?(?: labels| words)?:\s*([\w-]+(?:\s*[,|]\s*[\w-]+)+)/i.exec(`${systemText(params)}\n${asked}`);
  if (labels?.[1]) return chance.pick(labels[1].split(/\s*[,|]\s*/));
  const brief = /\b(briefly|in one sentence|short answer)\b/i.test(asked);
  return prose(chance, bytesFor(brief ? chance.int(12, 30) : chance.int(60, 320), model));
}

function thinkingBlock(params: MessageCreateParamsBase, chance: Chance): ContentBlock[] {
  const kind = params.thinking?.type;
  if (kind !== 'enabled' && kind !== 'adaptive') return [];
  const room = kind === 'enabled' && 'budget_tokens' in params.thinking! ? Number(params.thinking.budget_tokens) : 4_096;
  const bytes = Math.min(chance.int(200, 1_400), Math.floor(Math.min(room, params.max_tokens / 2) * 2));
  return [{ type: 'thinking', thinking: cutToBytes(prose(chance, bytes), bytes), signature: signature(chance) }];
}

/** A call of a client tool, when the choice forces one or the prompt names one; null when it is time to answer in words. */
function toolCall(params: MessageCreateParamsBase, asked: string, chance: Chance): ToolUseBlock | null {
  const tools = (params.tools ?? []) as unknown as Record<string, unknown>[];
  const own = tools.filter((t) => t['type'] === undefined || t['type'] === 'custom');
  const choice = params.tool_choice;
  if (own.length === 0 || choice?.type === 'none') return null;
  const last = params.messages.at(-1);
  const answered = Array.isArray(last?.content) && last.content.some((block) => block.type === 'tool_result');
  const named = own.find((t) => asked.toLowerCase().includes(String(t['name']).toLowerCase().replaceAll('_', ' ')) || asked.includes(String(t['name'])));
  const chosen =
    choice?.type === 'tool' ? own.find((t) => t['name'] === choice.name)
    : choice?.type === 'any' ? (named ?? own[0])
    : answered ? undefined
    : (named ?? (/\buse (a|the|your) tools?\b/i.test(asked) ? own[0] : undefined));
  if (!chosen) return null;
  return { type: 'tool_use', id: chance.id('toolu_01'), name: String(chosen['name']), input: sampleOf(chosen['input_schema'], chance), caller: { type: 'direct' } };
}

function searchesFor(params: MessageCreateParamsBase, asked: string, chance: Chance): number {
  const tools = (params.tools ?? []) as unknown as Record<string, unknown>[];
  const search = tools.find((t) => String(t['type'] ?? '').startsWith('web_search_'));
  if (!search || !/\b(search|look up|latest|news|today)\b/i.test(asked)) return 0;
  return Math.min(chance.int(1, 3), typeof search['max_uses'] === 'number' ? search['max_uses'] : 3);
}

function searchBlocks(searches: number, asked: string, chance: Chance): ContentBlock[] {
  return Array.from({ length: searches }, (_, at): ContentBlock[] => {
    const id = chance.id('srvtoolu_01');
    const result = (n: number) => ({ type: 'web_search_result' as const, title: `Result ${n} of search ${at + 1}`, url: `https://example.com/${chance.id('', 8)}`, encrypted_content: chance.id('', 64), page_age: null });
    return [
      { type: 'server_tool_use', id, name: 'web_search', input: { query: asked.slice(0, 60) }, caller: { type: 'direct' } },
      { type: 'web_search_tool_result', tool_use_id: id, caller: { type: 'direct' }, content: [result(1), result(2), result(3)] },
    ];
  }).flat();
}

function lastUserText(params: MessageCreateParamsBase): string {
  const content = params.messages.findLast((m) => m.role === 'user')?.content ?? '';
  if (typeof content === 'string') return content;
  return content.map((block) => (block.type === 'text' ? block.text : '')).join('\n');
}

function systemText(params: MessageCreateParamsBase): string {
  return typeof params.system === 'string' ? params.system : (params.system ?? []).map((block) => block.text).join('\n');
}
