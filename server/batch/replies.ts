// server/batch/replies.ts: the two edits that replies get: results_url leads back to the gateway, and a list shows what one's own workspace made.

import { elementsOf, membersOf, past, spliced, valueAt, type Span } from './json-spans.ts';

type Edit = { readonly span: Span; readonly value: Buffer };

/** The object itself where the reply is one; `list` null there. @throws SyntaxError when it is no JSON object */
export function readReply(body: Buffer): { readonly id: string | null; readonly fields: Readonly<Record<string, unknown>>; readonly list: readonly string[] | null } {
  const parsed = JSON.parse(body.toString('utf8')) as unknown;
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new SyntaxError('the reply is no JSON object');
  const fields = parsed as Readonly<Record<string, unknown>>;
  const { id, data } = fields;
  return { id: typeof id === 'string' ? id : null, fields, list: Array.isArray(data) ? data.map(idOf) : null };
}

/**
 * The reply with the scheme and host of every `results_url` replaced: SDKs follow it with the client's credential, which must come
 * back here. Only of the object itself and of the objects in `data`; every other byte stays.
 * @param base what the client reached us by, with its tag prefix, without a trailing slash
 * @throws SyntaxError when it is no JSON object
 */
export function withOwnResultsUrl(body: Buffer, base: string): Buffer {
  readReply(body);
  const top = membersOf(body, past(body, 0));
  const data = top.get('data');
  const objects = data !== undefined && body[data[0]] === 0x5b ? elementsOf(body, data[0]).filter(([start]) => body[start] === 0x7b) : [];
  const spans = [top, ...objects.map(([start]) => membersOf(body, start))].map((members) => members.get('results_url')).filter((span) => span !== undefined);
  return spliced(body, spans.flatMap((span): Edit[] => {
    const url = valueAt(body, span);
    if (typeof url !== 'string' || !URL.canParse(url)) return [];
    const { pathname, search } = new URL(url);
    return [{ span, value: Buffer.from(JSON.stringify(base + pathname + search)) }];
  }));
}

/**
 * The list without what is not to be seen. Where something was taken out, `first_id` and `last_id` become those of what is left, so
 * that the next page begins behind it and no other workspace's id is told; `has_more` stays.
 * @param visible decides by id
 * @throws SyntaxError when it is no JSON object with a list
 */
export function withOnly(body: Buffer, visible: (id: string) => boolean): Buffer {
  const { list } = readReply(body);
  const top = membersOf(body, past(body, 0));
  const data = top.get('data');
  if (list === null || data === undefined) throw new SyntaxError('the reply is no list');
  const spans = elementsOf(body, data[0]);
  const kept = spans.filter((_, at) => visible(list[at]!));
  if (kept.length === spans.length) return body;
  const ids = list.filter(visible);
  const edits: Edit[] = [{ span: data, value: Buffer.concat([Buffer.from('['), ...kept.flatMap(([start, end], at) => (at === 0 ? [body.subarray(start, end)] : [Buffer.from(','), body.subarray(start, end)])), Buffer.from(']')]) }];
  for (const [name, id] of [['first_id', ids[0]], ['last_id', ids.at(-1)]] as const) {
    const span = top.get(name);
    if (span !== undefined) edits.push({ span, value: Buffer.from(JSON.stringify(id ?? null)) });
  }
  return spliced(body, edits);
}

/** The query of the page after this one, in the direction that the client reads; null at the end. */
export function nextPageQuery(query: string, fields: Readonly<Record<string, unknown>>): string | null {
  const parameters = new URLSearchParams(query);
  if (typeof fields['next_page'] === 'string') parameters.set('page', fields['next_page']);
  else if (fields['has_more'] !== true) return null;
  else if (parameters.has('before_id') && typeof fields['first_id'] === 'string') parameters.set('before_id', fields['first_id']);
  else if (!parameters.has('before_id') && typeof fields['last_id'] === 'string') parameters.set('after_id', fields['last_id']);
  else return null;
  return `?${parameters.toString()}`;
}

const idOf = (element: unknown): string => {
  const id = (element as { id?: unknown } | null)?.id;
  return typeof id === 'string' ? id : '';
};
