// server/identify/ask-reader.ts: which fields of the API's requests are governed, where they stand, and what they mean for us.

import { SERVER_LOOP_TURNS, type Ask, type Endpoint } from '../domain/call.ts';
import { Names, type Cursor } from '../domain/json-cursor.ts';
import type { PromptLayout } from './prompt-layout.ts';

const BODY = new Names([
  'model', 'messages', 'system', 'tools', 'max_tokens', 'stream', 'metadata', 'cache_control', 'speed', 'service_tier', 'inference_geo',
  'fallbacks', 'mcp_servers', 'container', 'context_management', 'compaction', 'thread', 'billing_policy',
  'max_completion_tokens', 'max_tokens_to_sample', 'stream_options', 'thinking',
]);
const METADATA = new Names(['user_id']);
const STREAM_OPTIONS = new Names(['include_usage']);
const BILLING_POLICY = new Names(['bill_to']);
const CONTEXT_MANAGEMENT = new Names(['edits']);
const TYPED = new Names(['type']);
const FALLBACK = new Names(['model', 'max_tokens', 'speed']);
const CACHE_CONTROL = new Names(['ttl']);
const TOOL = new Names(['type', 'max_uses', 'model', 'cache_control', 'caching', 'name', 'function']);
const FUNCTION = new Names(['name']);
const MCP_SERVER = new Names(['name', 'url']);
/** `tool` and `tool_changes` bring tools into a conversation that is under way. */
const BLOCK = new Names(['type', 'role', 'source', 'content', 'cache_control', 'image_url', 'tool', 'tool_changes', 'file_id', 'file']);
const SOURCE = new Names(['type', 'content', 'file_id']);
const FILE = new Names(['file_id']);
const CONTAINER = new Names(['id', 'skills']);
const SKILL = new Names(['skill_id']);
const IMAGE_URL = new Names(['url']);
const TOOL_CHANGE = new Names(['definition']);

const ROLES = new Names(['assistant']);
const BLOCK_TYPES = new Names(['image', 'document', 'image_url', 'container_upload', 'file']);
const SOURCE_TYPES = new Names(['base64', 'text', 'content', 'url', 'file']);

/** Tools that the client runs itself, by their type or how it begins: those it describes itself, and those that the provider explains. Any other type runs at the provider, or is too new to know. */
const DESCRIBED_TOOLS = /^(?:custom|function)$/;
const EXPLAINED_TOOLS = /^(?:bash_|text_editor_|computer_|memory_|browser_)/;

/** Text of a governed field; longer is no model, tier or user id. */
const MAX_TEXT = 1_024;
// Control characters and halves of surrogate pairs: no name holds them, and not every parser keeps them.
const UNFIT_FOR_A_MODEL = /[\p{Cc}\p{Cs}]/u;

/**
 * Reads one request body at the cursor, which must stand before its object. Where bytes leave room, the reading is the dearer
 * one: the larger of two maxima, the longer cache, the faster speed.
 */
export class AskReader {
  readonly #cursor: Cursor;
  readonly #endpoint: Endpoint;
  readonly #layout: PromptLayout | null;

  #model: string | null = null;
  #modelSpan: readonly [number, number] = [0, 0];
  #stream = false;
  #maxTokens: number | null = null;
  #fallbackMaxTokens = 0;
  #includeUsage = false;
  #userId: string | null = null;
  #speed: string | null = null;
  #serviceTier: string | null = null;
  #inferenceGeo: string | null = null;
  #cacheTtl: '5m' | '1h' | null = null;
  readonly #otherModels: string[] = [];
  readonly #serverTools: string[] = [];
  readonly #explainedTools: string[] = [];
  #searches = 0;
  #searchesUnlimited = false;
  #serverUses = 0;
  #serverUsesUnlimited = false;
  #compacts = false;
  /** Whether the last message is an answer, which may be one that the client only began. */
  #answered = false;
  #continues = false;
  #inlineImages = 0;
  readonly #fileIds: string[] = [];
  readonly #skillIds: string[] = [];
  readonly #containerIds: string[] = [];
  #unboundedInput = false;
  #billedElsewhere = false;
  readonly #toolNames: string[] = [];
  readonly #mcpServers: string[] = [];
  #container = false;
  #skills = false;
  #thinking = false;

  /** @param layout filled on the way; null notes nothing */
  constructor(cursor: Cursor, endpoint: Endpoint, layout: PromptLayout | null = null) {
    this.#cursor = cursor;
    this.#endpoint = endpoint;
    this.#layout = layout;
  }

  read(): Ask {
    const cursor = this.#cursor;
    if (cursor.kind() !== 'object') cursor.fail('a JSON object');
    const start = cursor.at;
    cursor.object(BODY, this.#member);
    const model = this.#model;
    const uses = this.#serverUsesUnlimited ? SERVER_LOOP_TURNS : this.#serverUses;
    const samplings = Math.min(1 + uses, SERVER_LOOP_TURNS);
    if (model === null) return cursor.fail('"model", a string, in the object that ends');
    return {
      model,
      modelSpan: this.#modelSpan,
      stream: this.#stream,
      maxTokens: this.#maxTokens === null ? null : Math.max(this.#maxTokens, this.#fallbackMaxTokens),
      includeUsage: this.#includeUsage,
      userId: this.#userId,
      speed: this.#speed,
      serviceTier: this.#serviceTier,
      inferenceGeo: this.#inferenceGeo,
      cacheTtl: this.#cacheTtl,
      fallbackModels: this.#otherModels,
      serverTools: this.#serverTools,
      maxSearches: this.#searchesUnlimited ? null : this.#searches,
      samplings,
      compactions: this.#compacts ? samplings : 0,
      continues: this.#continues,
      inlineImages: this.#inlineImages,
      unboundedInput: this.#unboundedInput,
      fileIds: this.#fileIds,
      skillIds: this.#skillIds,
      billedElsewhere: this.#billedElsewhere,
      bodyBytes: cursor.at - start,
      ...(this.#containerIds.length > 0 ? { containerIds: this.#containerIds } : {}),
      ...(this.#explainedTools.length > 0 ? { explainedTools: this.#explainedTools } : {}),
      ...(this.#toolNames.length > 0 || this.#mcpServers.length > 0 || this.#container || this.#thinking
        ? { features: { toolNames: this.#toolNames, mcpServers: this.#mcpServers, container: this.#container, skills: this.#skills, thinking: this.#thinking } }
        : {}),
    };
  }

  readonly #member = (name: (typeof BODY)['names'][number] | null): void => {
    const cursor = this.#cursor;
    switch (name) {
      case null:
        return cursor.skip();
      case 'model':
        this.#model = this.#modelName();
        this.#modelSpan = [cursor.stringStart - 1, cursor.stringEnd + 1];
        return;
      case 'messages':
      case 'system':
        return this.#layout === null ? this.#blocks() : this.#section(this.#layout, name, this.#block);
      case 'tools':
        return this.#layout === null ? this.#each(this.#tool) : this.#section(this.#layout, name, this.#tool);
      case 'max_tokens':
      case 'max_completion_tokens':
      case 'max_tokens_to_sample':
        return this.#maximum(name);
      case 'stream':
        this.#stream = this.#flag();
        return;
      case 'metadata':
        return this.#maybe(METADATA, () => {
          this.#userId = this.#text();
        });
      case 'stream_options':
        return this.#maybe(STREAM_OPTIONS, () => {
          this.#includeUsage = this.#flag();
        });
      case 'speed':
        this.#speed = this.#faster(this.#text());
        return;
      case 'service_tier':
        this.#serviceTier = this.#text();
        return;
      case 'inference_geo':
        this.#inferenceGeo = this.#text();
        return;
      case 'cache_control':
        if (this.#layout !== null && cursor.kind() !== 'null') this.#layout.automatic = true;
        return this.#cacheControl();
      case 'fallbacks':
        return this.#fallbacks();
      case 'context_management':
        return this.#maybe(CONTEXT_MANAGEMENT, () => this.#each(this.#contextEdit));
      case 'billing_policy':
        return this.#maybe(BILLING_POLICY, () => {
          // Any other value, known or not, is taken for our own bill: that is the cautious side.
          this.#billedElsewhere = this.#text() === 'user_profile';
        });
      case 'thinking': {
        if (cursor.kind() === 'null') return cursor.skip();
        // Whatever it is that this code does not know is taken for thinking.
        this.#thinking = true;
        return this.#maybe(TYPED, () => {
          this.#thinking = this.#text() !== 'disabled';
        });
      }
      case 'mcp_servers':
        if (cursor.kind() !== 'array') {
          if (cursor.kind() !== 'null') this.#serverUsesUnlimited = true;
          return this.#unbounding();
        }
        return cursor.array(() => this.#mcpServer());
      case 'container':
        return this.#containerOf();
      case 'compaction':
        this.#compacts = cursor.kind() !== 'null';
        return this.#unbounding();
      case 'thread':
        return this.#unbounding();
    }
  };

  /** Each endpoint has its own name for the maximum; where the OpenAI-compatible one gets two of them, the larger one counts. */
  #maximum(name: 'max_tokens' | 'max_completion_tokens' | 'max_tokens_to_sample'): void {
    const cursor = this.#cursor;
    const belongs = name === 'max_tokens_to_sample' ? this.#endpoint === 'complete' : name === 'max_tokens' || this.#endpoint === 'chat_completions';
    if (!belongs) return cursor.skip();
    if (cursor.kind() === 'null') return cursor.skip();
    if (cursor.kind() !== 'number') cursor.fail('a whole number');
    this.#maxTokens = Math.max(cursor.wholeNumber(), this.#maxTokens ?? 0);
  }

  /** A list, or the word `"default"`. An entry may raise the maximum and the speed of its own attempt. */
  #fallbacks(): void {
    const cursor = this.#cursor;
    if (cursor.kind() === 'string') this.#otherModels.push(this.#modelName());
    else this.#each(() => {
      if (cursor.kind() !== 'object') cursor.fail('a JSON object');
      const known = this.#otherModels.length;
      cursor.object(FALLBACK, (name) => {
        if (name === null) return cursor.skip();
        if (name === 'model') this.#otherModels.push(this.#modelName());
        else if (name === 'speed') this.#speed = this.#faster(this.#text());
        else if (cursor.kind() === 'null') cursor.skip();
        else if (cursor.kind() !== 'number') cursor.fail('a whole number');
        else this.#fallbackMaxTokens = Math.max(this.#fallbackMaxTokens, cursor.wholeNumber());
      });
      if (this.#otherModels.length === known) cursor.fail('a "model" in the fallback that ends');
    });
  }

  readonly #tool = (): void => {
    const cursor = this.#cursor;
    if (cursor.kind() !== 'object') return cursor.skip();
    let type: string | null = null;
    let maxUses: number | null = null;
    cursor.object(TOOL, (name) => {
      switch (name) {
        case null:
          return cursor.skip();
        case 'type':
          type = this.#text();
          return;
        case 'max_uses':
          if (cursor.kind() === 'null') return cursor.skip();
          if (cursor.kind() !== 'number') cursor.fail('a whole number');
          maxUses = cursor.wholeNumber();
          return;
        case 'model':
          // The advisor tool calls a model of its own.
          this.#otherModels.push(this.#modelName());
          return;
        case 'cache_control':
        case 'caching':
          return this.#marker();
        case 'name':
          return this.#toolName();
        case 'function':
          return this.#maybe(FUNCTION, () => this.#toolName());
      }
    });
    this.#note(type, maxUses);
  };

  /** The id of one, or an object that brings skills into it. */
  #containerOf(): void {
    const cursor = this.#cursor;
    if (cursor.kind() === 'null') return cursor.skip();
    this.#container = true;
    this.#unboundedInput = true;
    if (cursor.kind() === 'string') return this.#idInto(this.#containerIds);
    this.#maybe(CONTAINER, (name) => {
      if (name === 'id') return this.#idInto(this.#containerIds);
      if (cursor.kind() !== 'array') this.#skills ||= cursor.kind() !== 'null';
      this.#each(() => {
        this.#skills = true;
        this.#maybe(SKILL, () => this.#idInto(this.#skillIds));
      });
    });
  }

  #toolName(): void {
    const name = this.#text();
    if (name !== null) this.#toolNames.push(name);
  }

  #mcpServer(): void {
    this.#unboundedInput = true;
    // The provider bounds its calls by nothing but the turns of the loop.
    this.#serverUsesUnlimited = true;
    let name: string | null = null;
    let url: string | null = null;
    this.#maybe(MCP_SERVER, (field) => {
      if (field === 'url') url = this.#text();
      else name = this.#text();
    });
    this.#mcpServers.push(url === null ? (name ?? 'unknown') : addressOf(url));
  }

  #note(type: string | null, maxUses: number | null): void {
    if (type === null || DESCRIBED_TOOLS.test(type)) return;
    if (EXPLAINED_TOOLS.test(type)) return void this.#explainedTools.push(type);
    this.#serverTools.push(type);
    this.#unboundedInput = true;
    if (maxUses === null) this.#serverUsesUnlimited = true;
    else this.#serverUses += maxUses;
    if (!type.startsWith('web_search')) return;
    if (maxUses === null) this.#searchesUnlimited = true;
    else this.#searches += maxUses;
  }

  /** A part of the prompt, noting where its elements end and which of them are marked for the cache. */
  #section(layout: PromptLayout, name: 'tools' | 'system' | 'messages', element: () => void): void {
    const cursor = this.#cursor;
    const isList = cursor.kind() === 'array';
    const start = cursor.at;
    const ends: number[] = [];
    const marked: number[] = [];
    if (!isList) element();
    else {
      cursor.array(() => {
        const known = layout.markers.length;
        element();
        if (layout.markers.length > known) marked.push(ends.length);
        ends.push(cursor.at);
      });
    }
    layout[name] = { start, end: cursor.at, ends, marked };
  }

  /** Messages, system prompts and content blocks alike: text, one block, or a list of them. */
  #blocks(): void {
    const kind = this.#cursor.kind();
    if (kind === 'array') this.#cursor.array(this.#block);
    else this.#block();
  }

  readonly #block = (): void => {
    const cursor = this.#cursor;
    if (cursor.kind() !== 'object') return cursor.skip();
    let type: (typeof BLOCK_TYPES)['names'][number] | null = null;
    let source: (typeof SOURCE_TYPES)['names'][number] | 'none' | 'unknown' = 'none';
    cursor.object(BLOCK, (name) => {
      switch (name) {
        case null:
          return cursor.skip();
        case 'type':
          if (cursor.kind() !== 'string') return cursor.skip();
          type = cursor.word(BLOCK_TYPES);
          return;
        case 'role':
          if (cursor.kind() !== 'string') return cursor.skip();
          if (this.#answered) this.#continues = true;
          this.#answered = cursor.word(ROLES) === 'assistant';
          return;
        case 'source':
          // A search result's source is a plain string.
          if (cursor.kind() !== 'object') return cursor.skip();
          source = this.#source();
          return;
        case 'image_url':
          source = this.#imageUrl() ? 'base64' : 'url';
          return;
        case 'content':
        case 'tool_changes':
          return this.#blocks();
        case 'cache_control':
          return this.#marker();
        case 'tool':
          return this.#maybe(TOOL_CHANGE, this.#tool);
        case 'file_id':
          return this.#idInto(this.#fileIds);
        case 'file':
          return this.#maybe(FILE, () => this.#idInto(this.#fileIds));
      }
    });
    this.#weigh(type, source);
  };

  /** Whether the bytes of a block bound its tokens. A PDF's do not, even inline: pages are billed, and they compress. */
  #weigh(type: (typeof BLOCK_TYPES)['names'][number] | null, source: (typeof SOURCE_TYPES)['names'][number] | 'none' | 'unknown'): void {
    const bounded = source === 'text' || source === 'content';
    if ((type === 'image' || type === 'image_url') && source === 'base64') this.#inlineImages++;
    else if (type !== null ? !bounded : source !== 'none' && !bounded) this.#unboundedInput = true;
  }

  #source(): (typeof SOURCE_TYPES)['names'][number] | 'unknown' {
    const cursor = this.#cursor;
    let type: (typeof SOURCE_TYPES)['names'][number] | null = null;
    cursor.object(SOURCE, (name) => {
      if (name === 'content') return this.#blocks();
      if (name === 'file_id') return this.#idInto(this.#fileIds);
      if (name === null || cursor.kind() !== 'string') return cursor.skip();
      type = cursor.word(SOURCE_TYPES);
    });
    return type ?? 'unknown';
  }

  #idInto(ids: string[]): void {
    const id = this.#text();
    if (id !== null) ids.push(id);
  }

  /** The OpenAI spelling of an image. True when it is inline. */
  #imageUrl(): boolean {
    const cursor = this.#cursor;
    let inline = false;
    const url = (): void => {
      if (cursor.kind() !== 'string') return cursor.skip();
      cursor.skip();
      inline = cursor.text.toString('latin1', cursor.stringStart, Math.min(cursor.stringStart + 5, cursor.stringEnd)) === 'data:';
    };
    if (cursor.kind() === 'object') cursor.object(IMAGE_URL, (name) => (name === null ? cursor.skip() : url()));
    else url();
    return inline;
  }

  /** The `cache_control` of a block; its name was passed last. */
  #marker(): void {
    const start = this.#cursor.stringStart - 1;
    const isSet = this.#cursor.kind() !== 'null';
    this.#cacheControl();
    if (isSet) this.#layout?.markers.push(start, this.#cursor.at);
  }

  #cacheControl(): void {
    let ttl: string | null = null;
    if (this.#cursor.kind() === 'null') return this.#cursor.skip();
    this.#maybe(CACHE_CONTROL, () => {
      ttl = this.#text();
    });
    // A lifetime that is newer than this code is taken for the dearest one known.
    this.#cacheTtl = (ttl ?? '5m') === '5m' ? (this.#cacheTtl ?? '5m') : '1h';
  }

  /** Clearing edits only take away; any other kind may call a model of its own. */
  readonly #contextEdit = (): void => {
    let clears = false;
    this.#maybe(TYPED, () => {
      clears = this.#text()?.startsWith('clear_') ?? false;
    });
    if (clears) return;
    this.#unboundedInput = true;
    this.#compacts = true;
  };

  /** A field whose presence alone takes the bound away; null and an empty list do not. */
  #unbounding(): void {
    const cursor = this.#cursor;
    const kind = cursor.kind();
    if (kind !== 'array') {
      if (kind !== 'null') this.#unboundedInput = true;
      return cursor.skip();
    }
    cursor.array(() => {
      this.#unboundedInput = true;
      cursor.skip();
    });
  }

  /** An object with some governed members; null and anything else is passed, as the provider will refuse it itself. */
  #maybe<Name extends string>(names: Names<Name>, onNamed: (name: Name) => void): void {
    const cursor = this.#cursor;
    if (cursor.kind() !== 'object') return cursor.skip();
    cursor.object(names, (name) => (name === null ? cursor.skip() : onNamed(name)));
  }

  #each(onElement: () => void): void {
    const cursor = this.#cursor;
    if (cursor.kind() !== 'array') return cursor.skip();
    cursor.array(onElement);
  }

  #faster(speed: string | null): string | null {
    return this.#speed === 'fast' ? 'fast' : (speed ?? this.#speed);
  }

  #flag(): boolean {
    const cursor = this.#cursor;
    const kind = cursor.kind();
    if (kind === 'boolean') return cursor.boolean();
    if (kind !== 'null') cursor.fail('true or false');
    cursor.skip();
    return false;
  }

  /** Null when it is null, as if the field were not there. */
  #text(): string | null {
    const cursor = this.#cursor;
    const kind = cursor.kind();
    if (kind !== 'string') {
      if (kind !== 'null') cursor.fail('a string');
      cursor.skip();
      return null;
    }
    const at = cursor.at;
    const value = cursor.string();
    if (value.length > MAX_TEXT) {
      cursor.at = at;
      cursor.fail(`at most ${MAX_TEXT} characters`);
    }
    return value;
  }

  #modelName(): string {
    const cursor = this.#cursor;
    if (cursor.kind() !== 'string') cursor.fail('the name of a model, a string');
    const at = cursor.at;
    const value = cursor.string();
    if (value === '' || value.length > 256 || UNFIT_FOR_A_MODEL.test(value)) {
      cursor.at = at;
      cursor.fail('the name of a model, 1 to 256 characters without control characters');
    }
    return value;
  }
}

/** Scheme, host and path, as rules compare them: without what can hold a secret. What two parsers could read as two hosts is `unknown`. */
function addressOf(url: string): string {
  if (/[\s\\\p{Cc}]/u.test(url) || !URL.canParse(url)) return 'unknown';
  const { origin, pathname } = new URL(url);
  return origin === 'null' ? 'unknown' : origin + pathname;
}
