// server/http/admin/guard.ts: who may reach a route of the admin port, and from which page.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { EpochMs } from '../../domain/ids.ts';
import type { Settings } from '../../domain/settings.ts';
import { AdminError } from './errors.ts';
import { network, sessionCookie, type Sessions, type Throttle } from './session.ts';

/** What a route asks for. Everybody who signed in may read and write; the two are told apart so that a reader's token can be added. */
export type Role = 'public' | 'read' | 'write';

export interface Actor {
  /** For the audit log. */
  readonly name: string;
  /** Null where there is no session: a bearer token, or an open port. */
  readonly session: { readonly secret: string; readonly expiresAt: EpochMs } | null;
}

export interface Guard {
  /** @throws AdminError 403 for a name that this port does not go by: DNS rebinding makes a browser send a foreign one */
  host(req: IncomingMessage): void;
  /** @throws AdminError 403 when another site's page is behind the request, 415 when a change does not come as JSON */
  origin(req: IncomingMessage): void;
  /** Null for nobody, where that is enough. @throws AdminError 401, 429 */
  actor(req: IncomingMessage, role: Role): Actor | null;
  /** False where the port is open. */
  signInRequired(): boolean;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\]|::1)$/;
const WILDCARD = /^(?:0\.0\.0\.0|\[?::\]?)$/;

export function createGuard(services: { settings: () => Settings; sessions: Sessions; throttle: Throttle }): Guard {
  const { sessions, throttle } = services;
  const admin = () => services.settings().admin;
  /** Open on loopback without a token. Anywhere else a port without a token is shut, whatever the start has checked. */
  const signInRequired = (): boolean => admin().token !== null || !LOOPBACK.test(admin().listen.host);

  return {
    signInRequired,
    host(req) {
      const { listen, token, hosts } = admin();
      const name = hostName(req.headers.host);
      if (name !== null && (LOOPBACK.test(name) || name === bare(listen.host) || hosts.includes(name))) return;
      // A wildcard address goes by names that only the operator knows; there the token stands guard, which a foreign page does not have.
      if (name !== null && WILDCARD.test(listen.host) && token !== null && hosts.length === 0) return;
      throw new AdminError(403, 'forbidden_host', 'This port does not answer under that host name. Names that are yours are listed in the config, as `admin.hosts`.');
    },
    origin(req) {
      const { method, headers } = req;
      const site = headers['sec-fetch-site'];
      const changes = method !== 'GET' && method !== 'HEAD';
      // `none` is a person who typed the address or opened a bookmark: fine to read, never how our page writes.
      if (site !== undefined && site !== 'same-origin' && (changes || site !== 'none')) throw foreign();
      if (!changes) return;
      if (headers.origin !== undefined && site !== 'same-origin' && originHost(headers.origin) !== headers.host?.toLowerCase()) throw foreign();
      // Every browser tells where a change comes from. Without a word it is a program, and a program has no business with a cookie.
      if (headers.origin === undefined && site === undefined && sessionCookie(headers.cookie) !== null && headers.authorization === undefined) throw foreign();
      if (hasBody(headers) || method === 'POST') {
        const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
        if (type !== 'application/json') throw new AdminError(415, 'unsupported', 'Changes are sent as application/json.');
      }
    },
    actor(req, role) {
      const { token } = admin();
      if (role === 'public') return null;
      if (!signInRequired()) return { name: 'local', session: null };
      if (token === null) throw new AdminError(401, 'unauthenticated', 'No admin token is configured; this port answers nobody.');
      const secret = sessionCookie(req.headers.cookie);
      const session = secret === null ? null : sessions.find(secret, token);
      if (secret !== null && session !== null) return { name: session.name, session: { secret, expiresAt: session.expiresAt } };
      const bearer = /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
      if (bearer === undefined) throw new AdminError(401, 'unauthenticated', 'Sign in, or send the admin token as a bearer.');
      const address = `bearer ${network(req.socket.remoteAddress ?? '')}`;
      throttle.check(address);
      if (!sessions.same(bearer, token)) {
        throttle.failed(address, sessions.digest(bearer), false);
        throw new AdminError(401, 'unauthenticated', 'Sign in, or send the admin token as a bearer.');
      }
      // No forgiveness for a right token: a scraper behind the same address would give a guesser endless tries.
      return { name: 'admin-token', session: null };
    },
  };
}

const foreign = (): AdminError => new AdminError(403, 'forbidden_origin', "Refused: the request comes from another site's page.");

const hasBody = (headers: IncomingHttpHeaders): boolean => headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

const bare = (host: string): string => host.toLowerCase().replace(/^\[|\]$/g, '');

/** The name in a `Host` header, without its port, lower case; null when it is missing or no host. */
function hostName(header: string | undefined): string | null {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/.exec((header ?? '').toLowerCase());
  return match?.[1] === undefined ? null : bare(match[1]);
}

/** Host and port of an origin as a `Host` header would have them; null for `null` and nonsense. */
function originHost(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}
