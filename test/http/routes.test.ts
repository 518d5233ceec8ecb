// test/http/routes.test.ts: only listed paths reach the provider, whatever a client writes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matchRoute, ROUTES } from '../../server/http/data/routes.ts';

const matched = (method: string, target: string) => {
  const found = matchRoute(method, target);
  if (typeof found === 'string') throw new Error(`${method} ${target} is ${found}`);
  return found;
};

describe('a path of the API', () => {
  test.each([
    ['POST', '/v1/messages', '/v1/messages'],
    ['POST', '/messages', '/v1/messages'],
    ['POST', '/v1/messages?beta=true', '/v1/messages'],
    ['POST', '/v1/messages/count_tokens', '/v1/messages/count_tokens'],
    ['POST', '/messages/batches', '/v1/messages/batches'],
    ['GET', '/v1/messages/batches/msgbatch_01/results', '/v1/messages/batches/msgbatch_01/results'],
    ['POST', '/v1/messages/batches/msgbatch_01/cancel', '/v1/messages/batches/msgbatch_01/cancel'],
    ['GET', '/v1/models?limit=1000', '/v1/models'],
    ['GET', '/v1/models/claude-haiku-4-5-20251001', '/v1/models/claude-haiku-4-5-20251001'],
    ['POST', '/v1/chat/completions', '/v1/chat/completions'],
    ['POST', '/chat/completions', '/v1/chat/completions'],
    ['GET', '/v1/files/file_01/content', '/v1/files/file_01/content'],
    ['DELETE', '/v1/skills/s/versions/1', '/v1/skills/s/versions/1'],
  ])('%s %s goes to %s', (method, target, path) => {
    expect(matched(method, target).path).toBe(path);
  });

  test('keeps its query string as it came', () => {
    expect(matched('POST', '/v1/messages?beta=true&x=%2F..%2F').query).toBe('?beta=true&x=%2F..%2F');
  });
});

describe('a tag prefix', () => {
  test.each([
    ['POST', '/w/support/v1/messages', 'support', null, '/v1/messages'],
    ['POST', '/w/support/messages', 'support', null, '/v1/messages'],
    // A base URL that ends in /v1, and a client that adds its own.
    ['POST', '/w/support/v1/v1/messages', 'support', null, '/v1/messages'],
    ['POST', '/w/support/ticket-triage/v1/messages', 'support', 'ticket-triage', '/v1/messages'],
    ['POST', '/w/support/ticket-triage/messages', 'support', 'ticket-triage', '/v1/messages'],
    ['GET', '/w/support/ticket-triage/v1/models/claude-opus-5', 'support', 'ticket-triage', '/v1/models/claude-opus-5'],
    ['POST', '/w/support/chat/chat/completions', 'support', 'chat', '/v1/chat/completions'],
  ])('%s %s names %s and %s', (method, target, workspace, workflow, path) => {
    expect(matched(method, target)).toMatchObject({ workspace, workflow, path });
  });
});

describe('a path that is not in the table', () => {
  test.each([
    '/', '/v1', '/v2/messages', '/v1/messages/', '/v1/Messages', '/V1/messages', '/v1/organizations/me', '/v1/organizations/usage_report/messages', '/v1/admin',
    '/v1/sessions', '/v1/agents', '/v1/oauth/token', '/api/usage', '/metrics', '/w', '/w/support', '/w/support/a/b/v1/messages', '/v1/v1/messages', '/v1/messages;x=1',
    '/w/support/v1/organizations/me', '/v1/messages%20', '/v1/messages/batches/a/b/c',
  ])('POST %s is unknown', (target) => {
    expect(matchRoute('POST', target)).toBe('unknown');
  });

  test.each(['PUT', 'PATCH', 'OPTIONS', 'TRACE', 'post', ''])('the method %s is unknown on a known path', (method) => {
    expect(matchRoute(method, '/v1/messages')).toBe('unknown');
  });
});

describe('a path that could be read in two ways', () => {
  test.each([
    '//evil.example/v1/messages', '/v1//messages', '/v1/../v1/messages', '/v1/./messages', '/v1/%2e%2e/v1/messages', '/v1/%2E%2E/admin', '/v1%2fmessages', '/v1/models/%2e%2e%2forganizations',
    '/v1/models/a%5cb', '/v1/models/a%00', '/v1\\messages', '/\\evil.example/v1/messages', 'http://evil.example/v1/messages', '*', 'v1/messages', '/v1/messages#x', '/v1/messages ', '/v1/m\u00e9ssages',
    '/v1/models/..', '/v1/models/.', '/w/../v1/messages', '/w//v1/messages', '',
  ])('%j is malformed', (target) => {
    expect(matchRoute('GET', target)).toBe('malformed');
  });
});

test('whatever is matched is a listed template with plain ids in it, and nothing else', () => {
  const word = fc.oneof(
    fc.constantFrom('v1', 'w', 'messages', 'batches', 'models', 'files', 'content', 'skills', 'versions', 'chat', 'completions', 'complete', 'results', 'cancel', 'count_tokens', '..', '.', '', '%2e%2e', 'a%2fb', '@', '*'),
    fc.string({ maxLength: 6 }),
  );
  fc.assert(
    fc.property(fc.constantFrom('GET', 'POST', 'DELETE'), fc.array(word, { maxLength: 7 }), (method, words) => {
      const found = matchRoute(method, `/${words.join('/')}`);
      if (typeof found === 'string') return;
      const parts = found.path.slice(1).split('/');
      expect(ROUTES).toContain(found.route);
      expect(parts).toHaveLength(found.route.template.length);
      for (const [i, part] of found.route.template.entries()) {
        if (part === '*') expect(parts[i]).toMatch(/^[A-Za-z0-9_.:@-]+$/);
        else expect(parts[i]).toBe(part);
      }
      expect(parts).not.toContain('..');
    }),
    { numRuns: 5_000 },
  );
});
