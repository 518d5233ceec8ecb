// test/standin/routes.ts: the table of paths.

import { jsonAnswer, type Answer } from './answer.ts';
import { ApiError } from './errors.ts';
import { postCountTokens, postMessages } from './messages.ts';
import type { Visit, World } from './world.ts';

type Route =
  /** Answers without a key. */
  | { readonly open: true; readonly answer: () => Answer }
  /** `versioned`: needs `anthropic-version`. */
  | { readonly open: false; readonly versioned: boolean; readonly answer: (visit: Visit, world: World) => Answer | Promise<Answer> };

const keyed = (answer: (visit: Visit, world: World) => Answer | Promise<Answer>, versioned = true): Route => ({ open: false, versioned, answer });

const table: readonly (readonly [method: string, path: RegExp, route: Route])[] = [
  ['POST', /^\/v1\/messages$/, keyed(postMessages)],
  ['POST', /^\/v1\/messages\/count_tokens$/, keyed(postCountTokens)],
  ['HEAD', /^\/(api\/hello)?$/, { open: true, answer: () => jsonAnswer({}, { body: Buffer.alloc(0) }) }],
  ['GET', /^\/api\/hello$/, { open: true, answer: () => jsonAnswer({ message: 'hello' }) }],
];

/** @throws ApiError 404 or 405 in the API's words */
export function routeOf(method: string, path: string): Route {
  const matches = table.filter(([, pattern]) => pattern.test(path));
  const route = matches.find(([verb]) => verb === method);
  if (route) return route[2];
  if (matches.length > 0) throw new ApiError('invalid_request_error', 'Method Not Allowed', { status: 405 });
  throw new ApiError('not_found_error', 'Not Found');
}
