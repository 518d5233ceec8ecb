// server/http/admin/openapi.ts: the OpenAPI 3.1 document, made from the route table and the schemas that the port itself runs on.

import { z } from 'zod';
import type { Route } from './route.ts';
import { ErrorAnswer } from './wire.ts';

type Json = Record<string, unknown>;

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' });
  return rest;
};

/** @param version of the gateway */
export function openApi(routes: readonly Route[], version: string): Json {
  const schemas: Record<string, Json> = { Error: schemaOf(ErrorAnswer, 'output') };
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    if ('name' in route.answer) schemas[route.answer.name] ??= schemaOf(route.answer.schema, 'output');
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tollgate admin API',
      version,
      description: 'Money is a decimal string of US dollars, tokens are whole numbers, times are ISO 8601 in UTC with milliseconds, durations are milliseconds. A list takes the filters that can narrow it; any other parameter is answered with 400, so that no answer is wider than what was asked.',
    },
    components: {
      schemas,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' }, session: { type: 'apiKey', in: 'cookie', name: 'tollgate_session' } },
    },
    paths,
  };
}

function operation(route: Route): Json {
  const { answer } = route;
  const success = 'name' in answer ? { 'application/json': { schema: { $ref: `#/components/schemas/${answer.name}` } } } : { [answer.mediaType]: { schema: { type: 'string' } } };
  const failure = (description: string): Json => ({ description, content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } });
  return {
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    operationId: `${route.method}_${route.path.replace(/^\/(?:api\/)?/, '').replace(/\W+/g, '_')}`,
    security: route.role === 'public' ? [{}] : [{ bearer: [] }, { session: [] }],
    parameters: [...pathParameters(route.path), ...queryParameters(route.query)],
    ...(route.body === null ? {} : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(route.body, 'input') } } } }),
    responses: {
      ['status' in answer ? answer.status : 200]: { description: route.summary, content: success },
      // A status by itself wins over the range that it is in.
      ...('name' in answer && answer.alsoStatus !== null ? { [answer.alsoStatus]: { description: route.summary, content: success } } : {}),
      '4XX': failure('Refused; the message says why.'),
      '5XX': failure('Failed here: 503 `ledger_unavailable` or `reports_unavailable`, with `retry-after`; 500 `internal`, of which the log knows more.'),
    },
  };
}

const pathParameters = (path: string): Json[] => [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));

function queryParameters(query: z.ZodObject): Json[] {
  const { properties = {} } = schemaOf(query, 'input') as { properties?: Record<string, Json> };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: false,
    ...(description === undefined ? {} : { description }),
    schema,
    ...(schema['type'] === 'array' ? { style: 'form', explode: true } : {}),
  }));
}
