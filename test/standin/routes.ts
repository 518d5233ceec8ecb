// test/standin/routes.ts: the table of paths.

import { jsonAnswer, type Answer } from './answer.ts';
import { ApiError } from './errors.ts';
import { cancelBatch, createBatch, deleteBatch, getBatch, listBatches, batchResults } from './batches.ts';
import { postChatCompletions } from './chat-completions.ts';
import { postComplete } from './complete.ts';
import { deleteFile, fileContent, getFile, listFiles, uploadFile } from './files.ts';
import { postCountTokens, postMessages } from './messages.ts';
import { getModel, listModels } from './models-list.ts';
import { costReport, usageReport } from './usage-reports.ts';
import type { Visit, World } from './world.ts';

type Route =
  /** Answers without a key. */
  | { readonly open: true; readonly answer: () => Answer }
  /** `versioned`: needs `anthropic-version`. `admin`: takes the Admin key and no other. */
  | { readonly open: false; readonly versioned: boolean; readonly admin?: true; readonly answer: (visit: Visit, world: World) => Answer | Promise<Answer> };

const keyed = (answer: (visit: Visit, world: World) => Answer | Promise<Answer>, versioned = true): Extract<Route, { open: false }> => ({ open: false, versioned, answer });

const table: readonly (readonly [method: string, path: RegExp, route: Route])[] = [
  ['POST', /^\/v1\/messages$/, keyed(postMessages)],
  ['POST', /^\/v1\/messages\/count_tokens$/, keyed(postCountTokens)],
  ['POST', /^\/v1\/messages\/batches$/, keyed(createBatch)],
  ['GET', /^\/v1\/messages\/batches$/, keyed(listBatches)],
  ['GET', /^\/v1\/messages\/batches\/[^/]+$/, keyed(getBatch)],
  ['DELETE', /^\/v1\/messages\/batches\/[^/]+$/, keyed(deleteBatch)],
  ['POST', /^\/v1\/messages\/batches\/[^/]+\/cancel$/, keyed(cancelBatch)],
  ['GET', /^\/v1\/messages\/batches\/[^/]+\/results$/, keyed(batchResults)],
  ['GET', /^\/v1\/models$/, keyed(listModels)],
  ['GET', /^\/v1\/models\/[^/]+$/, keyed(getModel)],
  ['POST', /^\/v1\/files$/, keyed(uploadFile)],
  ['GET', /^\/v1\/files$/, keyed(listFiles)],
  ['GET', /^\/v1\/files\/[^/]+$/, keyed(getFile)],
  ['DELETE', /^\/v1\/files\/[^/]+$/, keyed(deleteFile)],
  ['GET', /^\/v1\/files\/[^/]+\/content$/, keyed(fileContent)],
  // No test makes a skill: a workspace without one is all that is needed.
  ['GET', /^\/v1\/skills$/, keyed(() => jsonAnswer({ data: [], has_more: false, next_page: null }))],
  ['POST', /^\/v1\/complete$/, keyed(postComplete)],
  // The OpenAI-compatible path takes clients that know nothing of anthropic-version.
  ['POST', /^\/v1\/chat\/completions$/, keyed(postChatCompletions, false)],
  ['GET', /^\/v1\/organizations\/usage_report\/messages$/, { ...keyed(usageReport), admin: true }],
  ['GET', /^\/v1\/organizations\/cost_report$/, { ...keyed(costReport), admin: true }],
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
