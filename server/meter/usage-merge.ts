// server/meter/usage-merge.ts: the API's usage objects, translated into our words and merged as a stream goes on.

import { NO_TOKENS, type Tokens, type Usage, type UsagePart } from '../domain/usage.ts';

/** JSON that came from outside: nothing of it is believed before it is looked at. */
export type Json = Readonly<Record<string, unknown>>;

export const asObject = (value: unknown): Json | null => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null);

/** Words that the API says of itself end up in rows, so they are kept short. */
export const asWord = (value: unknown): string | null => (typeof value === 'string' && value.length > 0 && value.length <= 256 ? value : null);

const asCount = (value: unknown): number | null => (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null);

/** The uses of server tools that are counted or known to be free. */
const COUNTERS: ReadonlySet<string> = new Set(['web_search_requests', 'web_fetch_requests', 'code_execution_requests', 'tool_search_requests']);
const UNMETERED_TOOL = { unmeteredTool: true } as const;
const NOTHING = {} as const;

/** More entries than any call makes; the rest of a longer list is not read. */
const MOST_PARTS = 1_000;

/**
 * One usage object that grows: counters are cumulative, so per field the last value wins and nothing is ever added up; a null says
 * nothing and overwrites nothing (Anthropic's SDK merges in the same way). What `message_delta` never carries (the split of cache
 * writes, tier, place, speed) stays as `message_start` had it.
 */
export class UsageMerge {
  #seen = false;
  #input: number | null = null;
  #writes: number | null = null;
  #writes5m: number | null = null;
  #writes1h: number | null = null;
  #read: number | null = null;
  #output: number | null = null;
  #webSearch: number | null = null;
  #webFetch: number | null = null;
  #codeExecution: number | null = null;
  #unmetered = false;
  #parts: readonly UsagePart[] = [];
  #lastSplit1h = 0;
  #speed: string | null = null;
  #serviceTier: string | null = null;
  #inferenceGeo: string | null = null;

  /** Takes in a `usage` object of the Messages API. @returns whether it stated the output, as every usage does. */
  take(value: unknown): boolean {
    const usage = asObject(value);
    if (!usage) return false;
    this.#seen = true;
    this.#input = asCount(usage['input_tokens']) ?? this.#input;
    this.#writes = asCount(usage['cache_creation_input_tokens']) ?? this.#writes;
    this.#read = asCount(usage['cache_read_input_tokens']) ?? this.#read;
    const split = asObject(usage['cache_creation']);
    this.#writes5m = asCount(split?.['ephemeral_5m_input_tokens']) ?? this.#writes5m;
    this.#writes1h = asCount(split?.['ephemeral_1h_input_tokens']) ?? this.#writes1h;
    const tools = asObject(usage['server_tool_use']);
    this.#webSearch = asCount(tools?.['web_search_requests']) ?? this.#webSearch;
    this.#webFetch = asCount(tools?.['web_fetch_requests']) ?? this.#webFetch;
    this.#codeExecution = asCount(tools?.['code_execution_requests']) ?? this.#codeExecution;
    if (tools !== null) for (const counter in tools) if (!COUNTERS.has(counter) && (asCount(tools[counter]) ?? 0) > 0) this.#unmetered = true;
    this.#speed = asWord(usage['speed']) ?? this.#speed;
    this.#serviceTier = asWord(usage['service_tier']) ?? this.#serviceTier;
    this.#inferenceGeo = asWord(usage['inference_geo']) ?? this.#inferenceGeo;
    if (Array.isArray(usage['iterations']) && usage['iterations'].length > 0) this.#takeParts(usage['iterations']);
    const output = asCount(usage['output_tokens']);
    this.#output = output ?? this.#output;
    return output !== null;
  }

  /** Takes in a `usage` object in OpenAI's shape, which knows no caching here. @returns whether it stated the output. */
  takeChat(value: unknown): boolean {
    const usage = asObject(value);
    if (!usage) return false;
    this.#seen = true;
    this.#input = asCount(usage['prompt_tokens']) ?? this.#input;
    const output = asCount(usage['completion_tokens']);
    this.#output = output ?? this.#output;
    return output !== null;
  }

  get seen(): boolean {
    return this.#seen;
  }

  /** Whether the prompt was told: by its input, which may be 0 beside what the cache held, or turn by turn. What the cache held says nothing of the rest. */
  get promptTold(): boolean {
    return this.#input !== null || this.#parts.length > 0;
  }

  /** The tokens as known so far. */
  tokens(): Tokens {
    const known = (this.#writes5m ?? 0) + (this.#writes1h ?? 0);
    const split = splitWrites(this.#writes ?? known, this.#writes5m ?? 0, this.#writes1h ?? 0, this.#lastSplit1h);
    return { input: this.#input ?? 0, ...split, cacheRead: this.#read ?? 0, output: this.#output ?? 0 };
  }

  /** The whole account; null when no usage object was seen. @param modelServed as the response named it */
  usage(modelServed: string | null): Usage | null {
    if (!this.#seen) return null;
    // A fallback may take over in mid-stream, long after `message_start` named the model first asked for.
    const fallback = this.#parts.findLast((part) => part.type === 'fallback_message' && part.model !== null);
    return {
      tokens: this.tokens(),
      serverTools: { webSearch: this.#webSearch ?? 0, webFetch: this.#webFetch ?? 0, codeExecution: this.#codeExecution ?? 0 },
      parts: this.#parts,
      modelServed: fallback?.model ?? modelServed,
      speed: this.#speed,
      serviceTier: this.#serviceTier,
      inferenceGeo: this.#inferenceGeo,
      ...(this.#unmetered ? UNMETERED_TOOL : NOTHING),
    };
  }

  #takeParts(entries: readonly unknown[]): void {
    this.#parts = entries.slice(0, MOST_PARTS).flatMap((value) => {
      const entry = asObject(value);
      return entry ? [partOf(entry)] : [];
    });
    this.#lastSplit1h = this.#parts.at(-1)?.tokens.cacheWrite1h ?? 0;
  }
}

function partOf(entry: Json): UsagePart {
  const split = asObject(entry['cache_creation']);
  const five = asCount(split?.['ephemeral_5m_input_tokens']) ?? 0;
  const hour = asCount(split?.['ephemeral_1h_input_tokens']) ?? 0;
  return {
    type: asWord(entry['type']) ?? 'unknown',
    model: asWord(entry['model']),
    tokens: {
      ...NO_TOKENS,
      input: asCount(entry['input_tokens']) ?? 0,
      ...splitWrites(asCount(entry['cache_creation_input_tokens']) ?? five + hour, five, hour, 0),
      cacheRead: asCount(entry['cache_read_input_tokens']) ?? 0,
      output: asCount(entry['output_tokens']) ?? 0,
    },
  };
}

/**
 * Cache writes by lifetime. The total is cumulative and the split is not always: what the total has beyond it takes `extra1h`, the split
 * of the last model turn, as far as that goes, and five minutes else (as Claude Code books it). A total that is smaller, since another
 * attempt took over, keeps the hour's part first: it is the dearer one.
 */
function splitWrites(total: number, five: number, hour: number, extra1h: number): Pick<Tokens, 'cacheWrite5m' | 'cacheWrite1h'> {
  const extra = Math.max(0, total - five - hour);
  const cacheWrite1h = Math.min(hour + Math.min(extra, extra1h), total);
  return { cacheWrite5m: total - cacheWrite1h, cacheWrite1h };
}
