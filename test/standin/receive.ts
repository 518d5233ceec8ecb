// test/standin/receive.ts: takes in one request: writes it down, checks who sent it, finds its route, and sends the answer.

import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { jsonAnswer, type Answer } from './answer.ts';
import type { Chance } from './chance.ts';
import { decodeBody, offeredEncoding } from './encoding.ts';
import { ApiError } from './errors.ts';
import { faultAnswer } from './fault-answers.ts';
import { Faults } from './faults.ts';
import { BodyTape, openResponse, type RecordedRequest } from './log.ts';
import { routeOf } from './routes.ts';
import { checkHeaders } from './validate.ts';
import { send, type Pace } from './wire.ts';
import type { Plan, World } from './world.ts';

export interface Reception {
  readonly number: number;
  readonly log: RecordedRequest[];
  /** Bodies that came before, by their digest. */
  readonly seen: Map<string, number>;
  readonly planFor: (request: RecordedRequest, path: string) => Plan;
  readonly world: World;
  readonly settings: {
    readonly seed: string | number;
    readonly keys: Readonly<Record<string, string>> | null;
    readonly compress: boolean;
    readonly pace: Pace;
    readonly bounds: { readonly requests: number; readonly bodyBytes: number };
  };
  readonly chance: (...words: readonly (string | number)[]) => Chance;
  readonly stopping: AbortSignal;
}

const ORGANIZATION = '5f1d0c5a-3c1e-4a57-9d0b-7a6f2f1c0de5';

export async function receive(req: IncomingMessage, res: ServerResponse, reception: Reception): Promise<void> {
  const { world, settings, chance, log } = reception;
  const requestId = chance(settings.seed, 'request', reception.number).id('req_011');
  const record: RecordedRequest = {
    id: requestId, number: reception.number, at: world.now(), method: req.method ?? '', url: req.url ?? '', rawHeaders: req.rawHeaders,
    body: Buffer.alloc(0), bodyBytes: 0, sha256: '', bodyComplete: false, response: openResponse(),
  };
  log.push(record);
  if (log.length > settings.bounds.requests) log.shift();

  const gone = new AbortController();
  const leave = (): void => gone.abort();
  reception.stopping.addEventListener('abort', leave, { once: true });
  res.once('close', () => {
    reception.stopping.removeEventListener('abort', leave);
    if (record.response.ending === 'open') record.response.ending = 'client_gone';
    record.response.endedAt = world.now();
    leave();
  });
  // A reset is an ordinary end here; `close` follows and is what is acted on.
  res.on('error', () => undefined);

  const url = new URL(req.url ?? '/', 'http://standin');
  const plan = reception.planFor(record, url.pathname);
  let pass: { answer: Answer; faults: Faults };
  try {
    pass = await answerTo(req, url, plan, record, requestId, reception);
  } catch (cause) {
    if (gone.signal.aborted || cause instanceof UploadCut) return;
    if (!(cause instanceof ApiError)) throw cause;
    pass = { answer: errorAnswer(cause, requestId), faults: faultsOf(req, plan, true) };
  }
  const { answer, faults } = pass;
  try {
    await plan.until;
    if (faults.has('no-answer')) return;
    if (faults.has('reset-before-headers')) {
      record.response.ending = 'cut';
      return void res.socket?.resetAndDestroy();
    }
    const key = credentialOf(req);
    const workspace = key === null ? null : workspaceOf(key, settings.keys);
    const headers: Record<string, string> = { 'request-id': requestId, 'anthropic-organization-id': ORGANIZATION };
    // Absent on failed authentication.
    if (workspace !== null) headers['anthropic-workspace-id'] = workspace;
    if (faults.has('huge-headers')) headers['x-filler'] = 'h'.repeat(faults.number('huge-headers', 65_536));
    const whole: Answer = { ...answer, headers: { ...headers, ...answer.headers, ...plan.headers } };
    const encoding = settings.compress ? offeredEncoding(String(req.headers['accept-encoding'] ?? '')) : null;
    await send(whole, { res, record: record.response, faults, pace: settings.pace, chance: chance(settings.seed, 'pace', reception.number), encoding, bodyBound: settings.bounds.bodyBytes, signal: gone.signal });
  } catch (cause) {
    // Only leaving ends an answer by surprise.
    if (!gone.signal.aborted && !res.destroyed) throw cause;
  }
}

class UploadCut extends Error {}

async function answerTo(req: IncomingMessage, url: URL, plan: Plan, record: RecordedRequest, requestId: string, reception: Reception): Promise<{ answer: Answer; faults: Faults }> {
  const { world, settings } = reception;
  const faults = faultsOf(req, plan, false);
  if (faults.has('early-answer')) return { answer: errorAnswer(new ApiError('request_too_large', 'Request exceeds the maximum size', { status: faults.number('early-answer', 413) }), requestId), faults };
  const raw = await readBody(req, record, settings.bounds.bodyBytes);
  const asked = faultAnswer(faults, requestId);
  if (asked) return { answer: asked, faults };

  const route = routeOf(req.method ?? '', url.pathname);
  if (route.open) return { answer: route.answer(), faults };
  const key = credentialOf(req);
  if (key === null) throw new ApiError('authentication_error', 'x-api-key header is required');
  // An Admin key opens the reports of the organization and nothing else.
  const workspace = route.admin === true ? (key === world.reports?.adminKey ? 'organization' : null) : workspaceOf(key, settings.keys);
  if (workspace === null) throw new ApiError('authentication_error', 'invalid x-api-key');
  const { version, betas } = route.versioned ? checkHeaders(req.headers) : { version: '2023-06-01' as const, betas: [] };
  const body = decodeBody(raw, req.headers['content-encoding']);
  const wished = req.headers['x-standin-output'];
  const digest = createHash('sha256').update(body).digest('hex');
  const visit = {
    method: req.method ?? '', path: url.pathname, query: url.searchParams, headers: req.headers, body, requestId, workspace, version, betas, faults,
    plan: typeof wished === 'string' ? { outputTokens: Number(wished), ...plan } : plan,
    chance: reception.chance(settings.seed, digest, occurrence(digest, reception.seen)),
  };
  return { answer: await route.answer(visit, world), faults };
}

/** How often the same body came before: the same question again gets another answer. */
function occurrence(digest: string, seen: Map<string, number>): number {
  const before = seen.get(digest) ?? 0;
  // Long runs of ever new bodies must not fill the memory; forgetting only means that an answer may come twice.
  if (seen.size > 50_000) seen.clear();
  seen.set(digest, before + 1);
  return before;
}

function faultsOf(req: IncomingMessage, plan: Plan, quiet: boolean): Faults {
  const spec = [plan.fault, req.headers['x-standin-fault']].filter((s) => s !== undefined).join(';');
  try {
    return new Faults(spec);
  } catch (cause) {
    if (quiet) return new Faults('');
    throw new ApiError('invalid_request_error', cause instanceof Error ? cause.message : 'bad fault');
  }
}

function readBody(req: IncomingMessage, record: RecordedRequest, bound: number): Promise<Buffer> {
  return new Promise((done, fail) => {
    const tape = new BodyTape(bound);
    const chunks: Buffer[] = [];
    const note = (complete: boolean): void => {
      const { body, bytes, sha256 } = tape.read();
      Object.assign(record, { body, bodyBytes: bytes, sha256, bodyComplete: complete });
    };
    req.on('data', (chunk: Buffer) => {
      tape.add(chunk);
      chunks.push(chunk);
    });
    req.once('end', () => {
      note(true);
      done(Buffer.concat(chunks));
    });
    req.once('error', () => undefined);
    req.once('close', () => {
      if (record.bodyComplete) return;
      note(false);
      fail(new UploadCut('the upload was cut short'));
    });
  });
}

function credentialOf(req: IncomingMessage): string | null {
  const apiKey = req.headers['x-api-key'];
  if (typeof apiKey === 'string' && apiKey !== '') return apiKey;
  return /^Bearer\s+(\S+)$/i.exec(req.headers.authorization ?? '')?.[1] ?? null;
}

/** Null for a key that is not taken. */
function workspaceOf(key: string, keys: Readonly<Record<string, string>> | null): string | null {
  if (keys) return keys[key] ?? null;
  return key.startsWith('sk-ant-') ? `wrkspc_01${createHash('sha256').update(key).digest('hex').slice(0, 22)}` : null;
}

function errorAnswer(error: ApiError, requestId: string): Answer {
  return jsonAnswer(null, { status: error.status, headers: { 'content-type': 'application/json', ...error.headers }, body: Buffer.from(error.body(requestId)) });
}
