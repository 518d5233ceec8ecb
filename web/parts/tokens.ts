// web/parts/tokens.ts: token counts by kind, added up and in words.

import type { TokenCounts } from '../../server/http/admin/wire.ts';
import { whole } from '../format.ts';

export const KINDS = ['input', 'cache_read', 'cache_write_5m', 'cache_write_1h', 'output'] as const satisfies readonly (keyof TokenCounts)[];
export const KIND_WORDS: Readonly<Record<(typeof KINDS)[number] | 'web_search' | 'code_execution', string>> = {
  input: 'Input', cache_read: 'Cache read', cache_write_5m: 'Cache write, 5 min', cache_write_1h: 'Cache write, 1 h', output: 'Output', web_search: 'Web search', code_execution: 'Code execution',
};

export const tokenSum = (tokens: TokenCounts): number => KINDS.reduce((sum, kind) => sum + tokens[kind], 0);
export const tokensInWords = (tokens: TokenCounts): string =>
  KINDS.filter((kind) => tokens[kind] > 0).map((kind) => `${KIND_WORDS[kind].toLowerCase()} ${whole(tokens[kind])}`).join(', ') || 'no tokens';
