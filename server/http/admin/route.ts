// server/http/admin/route.ts: what one route of the admin API is: the express app and the OpenAPI document are both made from it.

import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { EpochMs } from '../../domain/ids.ts';
import type { Course } from './course.ts';
import type { Actor, Guard, Role } from './guard.ts';
import type { Live } from './live.ts';
import type { AdminServices } from './services.ts';
import type { Sessions, Throttle } from './session.ts';

export interface Context {
  readonly services: AdminServices;
  readonly live: Live;
  readonly course: Course;
  readonly guard: Guard;
  readonly sessions: Sessions;
  readonly throttle: Throttle;
}

export interface Input<Query, Body> extends Context {
  readonly query: Query;
  readonly body: Body;
  readonly params: Readonly<Record<string, string>>;
  /** Null on public routes. */
  readonly actor: Actor | null;
  readonly now: EpochMs;
  readonly req: Request;
  readonly res: Response;
}

export interface Route {
  readonly method: 'get' | 'post' | 'delete';
  /** As express writes it, e.g. `/api/keys/:id`. */
  readonly path: string;
  readonly role: Role;
  /** One sentence, for the OpenAPI document. */
  readonly summary: string;
  /** What else is to be known of it, likewise. */
  readonly description?: string;
  readonly query: z.ZodObject;
  /** Null takes no body. */
  readonly body: z.ZodType | null;
  /** JSON by its schema, with the status of success and another one that it may have; or a media type that the handler writes itself. */
  readonly answer: { readonly name: string; readonly schema: z.ZodType; readonly status: number; readonly alsoStatus: number | null } | { readonly mediaType: string };
  /** Resolves to the answer; to undefined when it wrote the response itself. */
  readonly handle: (input: Input<never, never>) => unknown;
}

/** A route that answers JSON; its handler is checked against its schemas. */
export function json<Query extends z.ZodObject, Answer extends z.ZodType, Body extends z.ZodType = z.ZodNull>(route: {
  method: Route['method'];
  path: string;
  role: Role;
  summary: string;
  description?: string;
  query: Query;
  body?: Body;
  /** The name of the answer's schema in the OpenAPI document. */
  name: string;
  answer: Answer;
  status?: number;
  /** Under which the same answer may come too. */
  alsoStatus?: number;
  handle: (input: Input<z.output<Query>, z.output<Body>>) => z.output<Answer> | Promise<z.output<Answer>>;
}): Route {
  const { name, answer, status = 200, alsoStatus = null, body = null, ...rest } = route;
  return { ...rest, body, answer: { name, schema: answer, status, alsoStatus }, handle: rest.handle as Route['handle'] };
}

/** A route that writes its own response: a stream, a file, a text. */
export function raw<Query extends z.ZodObject>(route: {
  path: string;
  role: Role;
  summary: string;
  query: Query;
  mediaType: string;
  handle: (input: Input<z.output<Query>, null>) => void | Promise<void>;
}): Route {
  const { mediaType, ...rest } = route;
  return { ...rest, method: 'get', body: null, answer: { mediaType }, handle: rest.handle as Route['handle'] };
}
