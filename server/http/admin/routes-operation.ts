// server/http/admin/routes-operation.ts: running it: sign-in, status, backup, live figures, metrics, health.

import { DAY_MS } from '../../domain/durations.ts';
import { epochMs } from '../../domain/ids.ts';
import { usdString } from '../../domain/money.ts';
import { rowsInForce } from '../../domain/price.ts';
import { iso } from './encode.ts';
import { AdminError } from './errors.ts';
import { json, raw, type Route } from './route.ts';
import type { AdminServices } from './services.ts';
import { COOKIE, network, SESSION_MS, sessionCookie } from './session.ts';
import * as wire from './wire.ts';

export const operationRoutes: readonly Route[] = [
  json({
    method: 'get',
    path: '/api/session',
    role: 'public',
    summary: 'Whether signing in is needed here, and whether it was done.',
    query: wire.NoQuery,
    name: 'Session',
    answer: wire.SessionAnswer,
    handle({ services, guard, sessions, req }) {
      const { token } = services.settings().admin;
      const secret = sessionCookie(req.headers.cookie);
      const session = secret === null || token === null ? null : sessions.find(secret, token);
      return { required: guard.signInRequired(), signed_in: session !== null || !guard.signInRequired(), expires_at: session === null ? null : iso(session.expiresAt) };
    },
  }),
  json({
    method: 'post',
    path: '/api/session',
    role: 'public',
    summary: 'Signs in with the admin token; the answer sets the session cookie.',
    query: wire.NoQuery,
    body: wire.LoginBody,
    name: 'Session',
    answer: wire.SessionAnswer,
    async handle({ services, guard, sessions, throttle, body, req, res, now }) {
      const { token } = services.settings().admin;
      if (!guard.signInRequired()) return { required: false, signed_in: true, expires_at: null };
      const address = `login ${network(req.socket.remoteAddress ?? '')}`;
      throttle.check(address);
      if (token === null || !sessions.same(body.token, token)) {
        throttle.failed(address, sessions.digest(body.token), true);
        services.log.warn('login_failed', { detail: req.socket.remoteAddress ?? '' });
        throw new AdminError(401, 'unauthenticated', 'That is not the admin token.');
      }
      throttle.succeeded(address);
      const old = sessionCookie(req.headers.cookie);
      if (old !== null) sessions.close(old);
      const { secret, session } = sessions.open(token);
      // A proxy that ends TLS before us says so in this header; the worst a liar gets is a cookie that its own browser withholds.
      const secure = req.secure || req.headers['x-forwarded-proto'] === 'https';
      res.cookie(COOKIE, secret, { httpOnly: true, sameSite: 'strict', secure, path: '/', maxAge: SESSION_MS });
      await recorded(services, { actor: session.name, action: 'session.open', now });
      return { required: true, signed_in: true, expires_at: iso(session.expiresAt) };
    },
  }),
  json({
    method: 'delete',
    path: '/api/session',
    role: 'public',
    summary: 'Signs out.',
    query: wire.NoQuery,
    name: 'Session',
    answer: wire.SessionAnswer,
    handle({ guard, sessions, req, res }) {
      const secret = sessionCookie(req.headers.cookie);
      if (secret !== null) sessions.close(secret);
      res.clearCookie(COOKIE, { httpOnly: true, sameSite: 'strict', path: '/' });
      return { required: guard.signInRequired(), signed_in: !guard.signInRequired(), expires_at: null };
    },
  }),
  json({ method: 'get', path: '/api/status', role: 'read', summary: 'How the gateway is doing.', query: wire.NoQuery, name: 'Status', answer: wire.StatusAnswer, handle: ({ services, now }) => status(services, now) }),
  json({
    method: 'post',
    path: '/api/backup',
    role: 'write',
    summary: 'Writes a consistent copy of the database beside it.',
    query: wire.NoQuery,
    body: wire.BackupBody,
    name: 'Backup',
    answer: wire.BackupAnswer,
    status: 201,
    async handle({ services, actor, now }) {
      const begun = services.clock.monotonic();
      const { file, bytes } = await services.backup();
      await services.ledger.audit({ at: now, actor: actor?.name ?? 'nobody', action: 'backup.create', subject: file, detail: JSON.stringify({ bytes }) });
      return { file, bytes, at: iso(now), duration_ms: Math.round(services.clock.monotonic() - begun) };
    },
  }),
  raw({
    path: '/api/live',
    role: 'read',
    summary: 'Server-sent events: `tick` at most once a second, `alert` when one begins or ends, `config` on a reload, `price` on new prices, `gap` when events were missed for good.',
    query: wire.NoQuery,
    mediaType: 'text/event-stream',
    handle({ live, guard, req, res }) {
      const header = req.headers['last-event-id'];
      const listening = live.listen(
        {
          write: (text) => void res.write(text),
          unreadBytes: () => res.writableLength,
          allowed: () => stillAllowed(() => guard.actor(req, 'read')),
          end: () => void res.destroy(),
        },
        typeof header === 'string' ? header : null,
        () => {
          res.status(200).setHeader('content-type', 'text/event-stream; charset=utf-8').setHeader('cache-control', 'no-store').setHeader('x-accel-buffering', 'no');
          res.flushHeaders();
        },
      );
      if (listening === null) throw new AdminError(503, 'too_many_listeners', 'Too many pages listen already; ask for the figures now and then instead.', 30);
      res.on('close', () => listening.stop());
    },
  }),
  raw({
    path: '/metrics',
    role: 'read',
    summary: 'Metrics for Prometheus.',
    query: wire.NoQuery,
    mediaType: 'text/plain',
    async handle({ services, req, res }) {
      const { contentType, body } = await services.metrics(req.headers.accept);
      res.status(200).setHeader('content-type', contentType).end(body);
    },
  }),
  json({ method: 'get', path: '/healthz', role: 'public', summary: 'The process answers.', query: wire.NoQuery, name: 'Health', answer: wire.HealthAnswer, handle: () => ({ status: 'ok' as const }) }),
  json({
    method: 'get',
    path: '/readyz',
    role: 'public',
    summary: 'Whether calls are taken; 503 with the reasons when not.',
    query: wire.NoQuery,
    name: 'Ready',
    answer: wire.ReadyAnswer,
    alsoStatus: 503,
    handle({ services, res }) {
      const reasons = notReady(services);
      res.status(reasons.length === 0 ? 200 : 503);
      return { ready: reasons.length === 0, reasons };
    },
  }),
];

function stillAllowed(check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch {
    // Signed out, expired, or another token: whatever it was, the stream ends.
    return false;
  }
}

async function recorded(services: AdminServices, { actor, action, now }: { actor: string; action: string; now: ReturnType<typeof epochMs> }): Promise<void> {
  try {
    await services.ledger.audit({ at: now, actor, action, subject: actor, detail: '{}' });
  } catch {
    // To find out why the ledger cannot be written, one has to get in.
    services.log.warn('audit_failed', { reason: action });
  }
}

function notReady(services: AdminServices): string[] {
  const reasons: string[] = [];
  if (services.gateway().draining) reasons.push('draining: the gateway is shutting down');
  if (!services.ledger.health().writable) reasons.push('ledger: it cannot be written');
  return reasons;
}

async function status(services: AdminServices, now: ReturnType<typeof epochMs>): Promise<wire.StatusAnswer> {
  const settings = services.settings();
  const gateway = services.gateway();
  const ledger = services.ledger.health();
  const from = epochMs(Math.max(0, now - 7 * DAY_MS));
  const everything = { workspace: [], workflow: [], user: [], model: [], key: [], outcome: [], session: [], action: [] };
  const [{ total }, latest, keys] = await Promise.all([
    services.reports.usage({ filter: { from, to: now, ...everything }, groupBy: [], limit: 1 }),
    services.reports.requests({ filter: { from: epochMs(0), to: epochMs(now + 1), ...everything }, limit: 1, cursor: null }),
    services.keys.list(),
  ]);
  const reasons = notReady(services);
  const { count, worst } = services.alerts.open();
  const prices = services.priceRows();
  const inForce = rowsInForce(prices, now);
  const verified = prices.filter((row) => inForce.has(row.version)).map((row) => row.verifiedOn).sort();
  return {
    version: services.version,
    node: process.version,
    now: iso(now),
    started_at: iso(gateway.startedAt),
    uptime_ms: Math.max(0, now - gateway.startedAt),
    timezone: settings.timezone,
    base_url: gateway.baseUrl,
    access: settings.access,
    provider_key_configured: settings.upstream.keys.size > 0,
    ready: reasons.length === 0,
    not_ready_because: reasons,
    in_flight: gateway.inFlight,
    alerts: { open: count, worst },
    ledger: { writable: ledger.writable, queued: ledger.queued, last_commit_ms: ledger.lastCommitMs, trouble: ledger.trouble, open_holds: gateway.openHolds, database_bytes: gateway.databaseBytes },
    recovery: { crashed: gateway.recovery.crashed, crashed_cost_usd: usdString(gateway.recovery.crashedCost) },
    config: {
      file: settings.file,
      digest: settings.digest,
      loaded_at: iso(gateway.configLoadedAt),
      last_reload: gateway.lastReload === null ? null : { at: iso(gateway.lastReload.at), ok: gateway.lastReload.error === null, error: gateway.lastReload.error },
    },
    pricing: {
      from: iso(from),
      to: iso(now),
      cost_usd: usdString(total.cost),
      estimated_cost_usd: usdString(total.estimatedCost),
      exact_ratio: total.cost > 0n ? Number(((total.cost - total.estimatedCost) * 1_000_000n) / total.cost) / 1_000_000 : null,
      ceiling_priced: gateway.ceilingPriced,
      book_verified_on: verified[0] ?? null,
    },
    first_run: {
      has_traffic: latest.rows.length > 0,
      has_workspaces: [...settings.workspaces.keys()].some((id) => id !== 'default'),
      has_keys: keys.length > 0,
      has_budgets: settings.budgets.length > 0,
    },
  };
}
