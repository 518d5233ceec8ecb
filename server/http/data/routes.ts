// server/http/data/routes.ts: the closed table of what the data port serves. What is not in it never reaches the provider.

import type { Endpoint, Route } from '../../domain/call.ts';

const route = (method: Route['method'], path: string, endpoint: Endpoint, more: { inspect?: 'ask' | 'batch'; billed?: boolean } = {}): Route => ({
  method,
  template: path.slice(1).split('/'),
  endpoint,
  inspect: more.inspect ?? null,
  billed: more.billed ?? false,
});

export const ROUTES: readonly Route[] = [
  route('POST', '/v1/messages', 'messages', { inspect: 'ask', billed: true }),
  route('POST', '/v1/messages/count_tokens', 'count_tokens', { inspect: 'ask' }),
  route('POST', '/v1/messages/batches', 'batches', { inspect: 'batch', billed: true }),
  route('GET', '/v1/messages/batches', 'batches'),
  route('GET', '/v1/messages/batches/*', 'batches'),
  route('DELETE', '/v1/messages/batches/*', 'batches'),
  route('POST', '/v1/messages/batches/*/cancel', 'batches'),
  route('GET', '/v1/messages/batches/*/results', 'batch_results'),
  route('POST', '/v1/chat/completions', 'chat_completions', { inspect: 'ask', billed: true }),
  route('POST', '/v1/complete', 'complete', { inspect: 'ask', billed: true }),
  route('GET', '/v1/models', 'models'),
  route('GET', '/v1/models/*', 'models'),
  route('GET', '/v1/files', 'files'),
  route('POST', '/v1/files', 'files'),
  route('GET', '/v1/files/*', 'files'),
  route('DELETE', '/v1/files/*', 'files'),
  route('GET', '/v1/files/*/content', 'files'),
  route('GET', '/v1/skills', 'skills'),
  route('POST', '/v1/skills', 'skills'),
  route('GET', '/v1/skills/*', 'skills'),
  route('DELETE', '/v1/skills/*', 'skills'),
  route('GET', '/v1/skills/*/versions', 'skills'),
  route('POST', '/v1/skills/*/versions', 'skills'),
  route('GET', '/v1/skills/*/versions/*', 'skills'),
  route('DELETE', '/v1/skills/*/versions/*', 'skills'),
  route('GET', '/v1/skills/*/versions/*/content', 'skills'),
];

export interface Matched {
  readonly route: Route;
  /** Assembled from the template and the ids, never from the client's text as a whole. */
  readonly path: string;
  /** With its `?`, as the client sent it; empty when there was none. */
  readonly query: string;
  /** From a `/w/{workspace}/{workflow}` prefix; null when it was not there. */
  readonly workspace: string | null;
  readonly workflow: string | null;
}

/** `malformed`: no path of ours can look like this. `unknown`: well-formed, but not in the table. */
export type RouteFailure = 'malformed' | 'unknown';

/** An id of the API: no dots alone, no percent signs, nothing that a later parser could read as a path. */
const ID = /^(?!\.{1,2}$)[A-Za-z0-9_.:@-]{1,256}$/;
const TARGET = /^\/[\x21-\x7e]*$/;
const ENCODED_TRICK = /%(?:2e|2f|5c|00)/i;

/** What nearly every call asks for. */
const MESSAGES: Matched = { route: ROUTES[0]!, path: '/v1/messages', query: '', workspace: null, workflow: null };

/**
 * Finds the route of a raw request target, matched on the bytes as sent. Base URLs with and without `/v1` are served, and
 * both may stand behind a tag prefix. Under `/w/{workspace}/…` the shortest reading wins: a path that is a route without a
 * workflow is not searched for one.
 */
export function matchRoute(method: string, target: string): Matched | RouteFailure {
  if (target === '/v1/messages' && method === 'POST') return MESSAGES;
  if (!TARGET.test(target) || target.includes('\\') || target.includes('#')) return 'malformed';
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? '' : target.slice(mark);
  if (path === '/v1/messages' && method === 'POST') return { route: ROUTES[0]!, path, query, workspace: null, workflow: null };

  const segments = path.slice(1).split('/');
  if (ENCODED_TRICK.test(path) || segments.some((s) => s === '.' || s === '..') || segments.slice(0, -1).includes('')) return 'malformed';
  if (segments[0] !== 'w') return matchTemplate(method, segments, query, null, null) ?? 'unknown';

  const [, workspace, ...rest] = segments;
  if (!workspace || !ID.test(workspace)) return 'unknown';
  // A base URL that ends in `/v1`, and a client that adds its own: no workflow of that name is meant.
  const once = rest[0] === 'v1' && rest[1] === 'v1' ? rest.slice(1) : rest;
  const plain = matchTemplate(method, once, query, workspace, null);
  if (plain) return plain;
  const workflow = rest[0];
  if (!workflow || !ID.test(workflow)) return 'unknown';
  return matchTemplate(method, rest.slice(1), query, workspace, workflow) ?? 'unknown';
}

function matchTemplate(method: string, given: readonly string[], query: string, workspace: string | null, workflow: string | null): Matched | null {
  const segments = given[0] === 'v1' ? given : ['v1', ...given];
  const found = ROUTES.find(
    (r) => r.method === method && r.template.length === segments.length && r.template.every((part, i) => (part === '*' ? ID.test(segments[i]!) : part === segments[i])),
  );
  return found ? { route: found, path: `/${segments.join('/')}`, query, workspace, workflow } : null;
}
