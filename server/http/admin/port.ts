// server/http/admin/port.ts: the admin port: one express app, made from the route table.

import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import type { Observer } from '../../domain/observer.ts';
import { AdminError, errorAnswer, expected } from './errors.ts';
import { createCourse } from './course.ts';
import { createGuard } from './guard.ts';
import { createLive, type Live } from './live.ts';
import { parseBody, parseQuery } from './query.ts';
import type { Context, Route } from './route.ts';
import { ROUTES } from './routes.ts';
import type { AdminServices } from './services.ts';
import { createSessions, createThrottle } from './session.ts';
import { staticFiles } from './static-files.ts';

export interface AdminPort {
  readonly app: Express;
  readonly live: Live;
  /** To be told of every call, beside the metrics. */
  readonly observer: Observer;
  /** To be called after every reload of the config, one that failed too: open pages are told. */
  configChanged(): void;
  /** Ends the open event streams, so that the listener can close. */
  close(): void;
}

export function createAdminPort(services: AdminServices): AdminPort {
  const sessions = createSessions(services.clock);
  const throttle = createThrottle(services.clock);
  const guard = createGuard({ settings: () => services.settings(), sessions, throttle });
  const live = createLive({ clock: services.clock, inFlight: () => services.gateway().inFlight });
  const course = createCourse({ clock: services.clock, rows: (at) => services.headroom.rows(at), inFlight: () => services.gateway().inFlight });
  const context: Context = { services, live, course, guard, sessions, throttle };

  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', false);
  app.set('etag', false);
  app.use(securityHeaders);
  app.use((req, _res, next) => {
    guard.host(req);
    next();
  });
  // The order is the point: a foreign page and a stranger are turned away before a byte of a body is read.
  for (const route of ROUTES) app[route.method](route.path, ...handlers(route, context));
  for (const { path, allow } of otherMethods(ROUTES)) {
    app.all(path, (_req, res) => {
      res.setHeader('allow', allow);
      throw new AdminError(405, 'method_not_allowed', `This path takes ${allow}.`);
    });
  }
  app.use(...staticFiles(services.webDir));
  app.use(() => {
    throw new AdminError(404, 'not_found', 'No such path.');
  });
  app.use(failed(services));
  return {
    app,
    live,
    observer: {
      ...live.observer,
      settled(entry) {
        live.observer.settled(entry);
        course.settled(entry);
      },
    },
    configChanged: () => live.reloaded({ digest: services.settings().digest, error: services.gateway().lastReload?.error ?? null }),
    close() {
      course.close();
      live.close();
    },
  };
}

/** Nothing but our own files, and no page may frame ours. */
const securityHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      connectSrc: ["'self'"],
      imgSrc: ["'self'"],
      fontSrc: ["'self'"],
      manifestSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
  },
  xFrameOptions: { action: 'deny' },
  // Whoever ends TLS in front of this port decides on HSTS; on loopback it would lock localhost to https.
  strictTransportSecurity: false,
});

function handlers(route: Route, context: Context): RequestHandler[] {
  const { guard, services } = context;
  const enter: RequestHandler = (req, res, next) => {
    guard.origin(req);
    res.locals['actor'] = guard.actor(req, route.role);
    next();
  };
  const run: RequestHandler = async (req, res) => {
    const query = parseQuery(route.query, new URLSearchParams(req.originalUrl.split('?').slice(1).join('?')));
    const body = route.body === null ? null : parseBody(route.body, req.body);
    res.setHeader('cache-control', 'no-store');
    if (req.method === 'HEAD' && 'mediaType' in route.answer) return void res.status(200).type(route.answer.mediaType).end();
    const input = { ...context, query, body, params: req.params, actor: res.locals['actor'], now: services.clock.now(), req, res };
    const answer = await route.handle(input as never);
    if (!('name' in route.answer)) return;
    if (route.answer.status !== 200) res.status(route.answer.status);
    res.json(answer);
  };
  return route.body === null ? [enter, run] : [enter, express.json({ limit: '64kb', type: 'application/json' }), run];
}

function otherMethods(routes: readonly Route[]): { path: string; allow: string }[] {
  return [...new Set(routes.map((route) => route.path))].map((path) => {
    const methods = routes.filter((route) => route.path === path).map((route) => route.method.toUpperCase());
    return { path, allow: [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ') };
  });
}

const failed =
  (services: AdminServices): ErrorRequestHandler =>
  (error: unknown, req, res, _next) => {
    const known = expected(error);
    if (known === null) services.log.error('admin_failed', { endpoint: String(req.route?.path ?? ''), code: error instanceof Error ? error.name : typeof error });
    // An answer that has begun cannot become another; cut short, it does not look whole.
    if (res.headersSent) return void res.destroy();
    const answer = known ?? new AdminError(500, 'internal', 'Something went wrong here; the log knows more.');
    for (const name of ['content-disposition', 'content-type']) res.removeHeader(name);
    res.setHeader('cache-control', 'no-store');
    if (answer.status === 401) res.setHeader('www-authenticate', 'Bearer realm="tollgate"');
    if (answer.retryAfterSeconds !== null) res.setHeader('retry-after', String(answer.retryAfterSeconds));
    res.status(answer.status).json(errorAnswer(answer));
  };
