// test/identify/caller.test.ts: the key owns the workspace, and tags cannot cross it.

import { describe, expect, test } from 'vitest';
import type { ClaimedTags, Credentials } from '../../server/domain/call.ts';
import { hashSecret, type Directory, type VirtualKey } from '../../server/domain/directory.ts';
import type { EpochMs } from '../../server/domain/ids.ts';
import type { Settings } from '../../server/domain/settings.ts';
import { identify, withBodyUser } from '../../server/identify/caller.ts';
import { directoryOf, key, now, settings, untagged, workspace } from './settings.ts';

const support = workspace('support', { workflows: ['triage', 'replies'] });
const sales = workspace('sales', { workflows: ['mails'], open: true });
const free = key('free', { workspace: 'support' });
const bound = key('bound', { workspace: 'support', workflow: 'triage' });
const listed = key('listed', { workspace: 'support', workflow: 'triage', workflows: ['replies', 'nightly'] });
const mustName = key('must-name', { workspace: 'support', workflows: ['triage', 'replies'] });
const seller = key('seller', { workspace: 'sales' });
const directory = directoryOf(free, bound, listed, mustName, seller);
const keysOnly = settings('keys', [support, sales]);
const open = settings('open', [support, sales, workspace('default', { open: true })]);

const send = (credentials: Partial<Credentials>, claimed: Partial<ClaimedTags> = {}, to: { settings?: Settings; directory?: Directory; bodyUserId?: string } = {}) =>
  identify(
    { credentials: { apiKey: null, bearer: null, ...credentials }, claimed: { ...untagged, ...claimed }, bodyUserId: to.bodyUserId ?? null },
    { directory: to.directory ?? directory, settings: to.settings ?? keysOnly, at: now },
  );
const called = { ok: true } as const;

describe('a key', () => {
  test.each([
    { name: 'x-api-key', credentials: { apiKey: free.secret } },
    { name: 'a bearer token', credentials: { bearer: free.secret } },
    { name: 'both, alike', credentials: { apiKey: free.secret, bearer: free.secret } },
    { name: 'one, the other empty', credentials: { apiKey: '', bearer: free.secret } },
  ])('is taken from $name', async ({ credentials }) => {
    expect(await send(credentials)).toMatchObject({ ...called, value: { workspace: 'support', workflow: 'unattributed', key: 'free', upstream: { kind: 'configured', name: 'default', secret: 'sk-provider' } } });
  });

  test('is only ever looked up by its hash', async () => {
    const asked = directoryOf(free);
    await send({ apiKey: free.secret }, {}, { directory: asked });
    expect(asked.asked).toEqual([hashSecret(free.secret)]);
  });
});

describe('without a valid key', () => {
  const expired: VirtualKey = { ...key('expired', { workspace: 'support' }), expiresAt: (now - 1) as EpochMs };
  const revoked: VirtualKey = { ...key('revoked', { workspace: 'support' }), revokedAt: (now - 1) as EpochMs };
  const withEnded = directoryOf(free, seller, expired, revoked);
  const causes: { name: string; credentials: Partial<Credentials>; claimed?: Partial<ClaimedTags> }[] = [
    { name: 'none', credentials: {} },
    { name: 'an empty one', credentials: { apiKey: '' } },
    { name: 'an unknown one', credentials: { apiKey: 'tg_unknown' } },
    { name: 'a provider key', credentials: { apiKey: 'sk-ant-api03-xyz' } },
    { name: 'one with a newline', credentials: { bearer: `${free.secret}\n` } },
    { name: 'one in capitals', credentials: { apiKey: free.secret.toUpperCase() } },
    { name: 'its own hash', credentials: { apiKey: hashSecret(free.secret) } },
    { name: 'an expired one', credentials: { apiKey: 'tg_expired-secret' } },
    { name: 'a revoked one', credentials: { apiKey: 'tg_revoked-secret' } },
    { name: 'two that differ, both ours', credentials: { apiKey: free.secret, bearer: seller.secret } },
    { name: 'two that differ, one ours', credentials: { apiKey: free.secret, bearer: 'sk-ant-other' } },
    { name: 'two that differ, none ours', credentials: { apiKey: 'a', bearer: 'b' } },
    { name: 'an unknown one and a bad name', credentials: { apiKey: 'x' }, claimed: { pathWorkspace: '../etc' } },
    { name: 'a name of the prototype', credentials: { apiKey: '__proto__' } },
  ];

  test.each(causes)('a call with $name gets the same answer', async ({ credentials, claimed }) => {
    expect(await send(credentials, claimed, { directory: withEnded })).toEqual({
      ok: false,
      refusal: { reason: 'unauthenticated', message: 'this gateway needs a valid key of its own, in x-api-key or as a bearer token', rule: null, retryAfterSeconds: null },
      caller: null,
    });
  });
});

describe('in open access', () => {
  test('a call without a key is in the workspace of its path, or in default', async () => {
    expect(await send({}, {}, { settings: open })).toMatchObject({ ...called, value: { workspace: 'default', workflow: 'unattributed', key: null } });
    expect(await send({}, { pathWorkspace: 'sales', pathWorkflow: 'x' }, { settings: open })).toMatchObject({ ...called, value: { workspace: 'sales', workflow: 'x', key: null } });
  });

  test('an undeclared workspace is refused with those declared', async () => {
    expect(await send({}, { pathWorkspace: 'elsewhere' }, { settings: open })).toMatchObject({
      refusal: { reason: 'workspace_forbidden', message: 'workspace elsewhere is not declared. Declared: support, sales, default' },
    });
  });

  test.each([
    { name: 'no workspace at all', workspaces: [] },
    { name: 'only the implicit one', workspaces: [workspace('default', { open: true })] },
  ])('where the config declares $name, any valid name is a workspace', async ({ workspaces }) => {
    expect(await send({}, { pathWorkspace: 'my-app', pathWorkflow: 'x' }, { settings: settings('open', workspaces) })).toMatchObject({ ...called, value: { workspace: 'my-app', workflow: 'x' } });
  });

  test('a rule on the one workspace cannot be left behind by another name', async () => {
    const ruled = settings('open', [workspace('default', { open: true, maxOutputTokens: 100 })]);
    expect(await send({}, { pathWorkspace: 'my-app' }, { settings: ruled })).toMatchObject({ refusal: { reason: 'workspace_forbidden' } });
  });

  test('a key of ours still stands for its owner', async () => {
    expect(await send({ apiKey: bound.secret }, {}, { settings: open })).toMatchObject({ ...called, value: { workspace: 'support', workflow: 'triage', key: 'bound' } });
    expect(await send({ apiKey: bound.secret }, { pathWorkspace: 'sales' }, { settings: open })).toMatchObject({ refusal: { reason: 'workspace_forbidden' } });
  });

  test('two foreign credentials that differ pass on', async () => {
    expect(await send({ apiKey: 'sk-ant-1', bearer: 'oauth-2' }, {}, { settings: open })).toMatchObject(called);
  });

  test.each<{ name: string; credentials: Partial<Credentials> }>([
    { name: 'looks like ours and is unknown', credentials: { apiKey: 'tg_gone' } },
    { name: 'looks like ours, beside a foreign one', credentials: { apiKey: 'sk-ant-1', bearer: 'tg_gone' } },
    { name: 'is ours, beside a foreign one', credentials: { apiKey: 'sk-ant-1', bearer: free.secret } },
  ])('a credential that $name is refused, and so never travels', async ({ credentials }) => {
    expect(await send(credentials, {}, { settings: open })).toMatchObject({ refusal: { reason: 'unauthenticated' } });
  });

  test.each([{ name: 'expired', end: { expiresAt: (now - 1) as EpochMs } }, { name: 'revoked', end: { revokedAt: (now - 1) as EpochMs } }])('a secret of the config that has $name is refused as well, however it looks', async ({ end }) => {
    const secret = 'chosen-by-hand-0123456789';
    const ended: VirtualKey = { ...key('old', { workspace: 'support' }), ...end, secretHash: hashSecret(secret) };
    for (const credentials of [{ apiKey: secret }, { bearer: secret }, { apiKey: 'sk-ant-1', bearer: secret }]) {
      expect(await send(credentials, {}, { settings: open, directory: directoryOf(ended) })).toMatchObject({ refusal: { reason: 'unauthenticated' } });
    }
    expect(await send({ apiKey: secret }, {}, { settings: open, directory: directoryOf() })).toMatchObject(called);
  });

  test('the configured provider key wins over the caller\'s own, which passes on where there is none', async () => {
    expect(await send({ apiKey: 'sk-ant-own' }, {}, { settings: open })).toMatchObject({ value: { upstream: { kind: 'configured' } } });
    expect(await send({ apiKey: 'sk-ant-own' }, {}, { settings: settings('open', [], {}) })).toMatchObject({ value: { upstream: { kind: 'callers_own' } } });
  });

  test('a call with our key and no provider key is refused, so that our key does not go out instead', async () => {
    const bare = settings('open', [support], {});
    expect(await send({ apiKey: free.secret }, {}, { settings: bare })).toMatchObject({ refusal: { reason: 'workspace_forbidden', message: 'workspace support has no provider key: upstream.keys.default is empty' } });
  });
});

describe('tags cannot cross what the key owns', () => {
  const rows: { name: string; secret: string; claimed: Partial<ClaimedTags>; lands?: string; refused?: string }[] = [
    { name: 'a free key and no tag', secret: free.secret, claimed: {}, lands: 'support/unattributed' },
    { name: 'a free key and its workspace', secret: free.secret, claimed: { pathWorkspace: 'support' }, lands: 'support/unattributed' },
    { name: 'a free key and another workspace', secret: free.secret, claimed: { pathWorkspace: 'sales' }, refused: 'workspace_forbidden' },
    { name: 'a free key and a workspace that is nowhere', secret: free.secret, claimed: { pathWorkspace: 'nowhere' }, refused: 'workspace_forbidden' },
    { name: 'a free key and a declared workflow in the path', secret: free.secret, claimed: { pathWorkspace: 'support', pathWorkflow: 'replies' }, lands: 'support/replies' },
    { name: 'a free key and a declared workflow in the header', secret: free.secret, claimed: { headerWorkflow: 'replies' }, lands: 'support/replies' },
    { name: 'a free key and the same workflow in both', secret: free.secret, claimed: { pathWorkflow: 'replies', headerWorkflow: 'replies' }, lands: 'support/replies' },
    { name: 'a free key and two workflows', secret: free.secret, claimed: { pathWorkflow: 'replies', headerWorkflow: 'triage' }, refused: 'workflow_forbidden' },
    { name: 'a free key and another workspace\'s workflow', secret: free.secret, claimed: { headerWorkflow: 'mails' }, refused: 'workflow_forbidden' },
    { name: 'a free key and an undeclared workflow', secret: free.secret, claimed: { headerWorkflow: 'new' }, refused: 'workflow_forbidden' },
    { name: 'a key where workflows are open and an undeclared one', secret: seller.secret, claimed: { headerWorkflow: 'new' }, lands: 'sales/new' },
    { name: 'a bound key and no tag', secret: bound.secret, claimed: {}, lands: 'support/triage' },
    { name: 'a bound key and its own workflow', secret: bound.secret, claimed: { headerWorkflow: 'triage' }, lands: 'support/triage' },
    { name: 'a bound key and a declared workflow of the workspace', secret: bound.secret, claimed: { headerWorkflow: 'replies' }, refused: 'workflow_forbidden' },
    { name: 'a bound key and its own workflow beside another', secret: bound.secret, claimed: { pathWorkflow: 'triage', headerWorkflow: 'replies' }, refused: 'workflow_forbidden' },
    { name: 'a bound key and the word for none', secret: bound.secret, claimed: { headerWorkflow: 'unattributed' }, refused: 'workflow_forbidden' },
    { name: 'a key with a list and no tag', secret: listed.secret, claimed: {}, lands: 'support/triage' },
    { name: 'a key with a list and one of it', secret: listed.secret, claimed: { headerWorkflow: 'replies' }, lands: 'support/replies' },
    { name: 'a key with a list and one of it that the workspace does not declare', secret: listed.secret, claimed: { headerWorkflow: 'nightly' }, lands: 'support/nightly' },
    { name: 'a key with a list and another', secret: listed.secret, claimed: { headerWorkflow: 'other' }, refused: 'workflow_forbidden' },
    { name: 'a key that must name its workflow and does not', secret: mustName.secret, claimed: {}, refused: 'workflow_forbidden' },
    { name: 'a key that must name its workflow and does', secret: mustName.secret, claimed: { pathWorkflow: 'replies' }, lands: 'support/replies' },
    { name: 'a name with a slash', secret: free.secret, claimed: { headerWorkflow: '../sales' }, refused: 'malformed' },
    { name: 'a name in capitals', secret: free.secret, claimed: { headerWorkflow: 'Triage' }, refused: 'malformed' },
    { name: 'a name with a line break', secret: free.secret, claimed: { headerWorkflow: 'triage\nx' }, refused: 'malformed' },
    { name: 'a name that ends in a line break', secret: free.secret, claimed: { headerWorkflow: 'triage\n' }, refused: 'malformed' },
    { name: 'an empty name', secret: free.secret, claimed: { pathWorkflow: '' }, refused: 'malformed' },
    { name: 'a name of 65 letters', secret: free.secret, claimed: { pathWorkspace: 'a'.repeat(65) }, refused: 'malformed' },
    { name: 'a name of the prototype', secret: seller.secret, claimed: { headerWorkflow: '__proto__' }, refused: 'malformed' },
    { name: 'a name that objects have', secret: seller.secret, claimed: { pathWorkflow: 'constructor' }, lands: 'sales/constructor' },
    { name: 'a workspace that objects have', secret: seller.secret, claimed: { pathWorkspace: 'constructor' }, refused: 'workspace_forbidden' },
  ];

  test.each(rows)('$name', async ({ secret, claimed, lands, refused }) => {
    const verdict = await send({ apiKey: secret }, claimed);
    expect(verdict.ok ? `${verdict.value.workspace}/${verdict.value.workflow}` : verdict.refusal.reason).toBe(lands ?? refused);
  });

  test('a refusal says what is allowed', async () => {
    expect(await send({ apiKey: listed.secret }, { headerWorkflow: 'other' })).toMatchObject({ refusal: { message: 'this key may not name workflow other. Allowed: triage, replies, nightly' } });
    expect(await send({ apiKey: free.secret }, { headerWorkflow: 'other' })).toMatchObject({ refusal: { message: 'workflow other is not declared in workspace support. Declared: triage, replies' } });
  });

  test('a key whose workspace left the config serves nobody', async () => {
    expect(await send({ apiKey: seller.secret }, {}, { settings: settings('keys', [support]) })).toMatchObject({ refusal: { reason: 'workspace_forbidden' } });
  });

  test('each workspace goes out with its own provider key', async () => {
    const two = settings('keys', [workspace('support', { upstreamKey: 'a' }), workspace('sales', { upstreamKey: 'b' })], { a: 'sk-a', b: 'sk-b' });
    expect(await send({ apiKey: free.secret }, {}, { settings: two })).toMatchObject({ value: { upstream: { name: 'a', secret: 'sk-a' } } });
    expect(await send({ apiKey: seller.secret }, {}, { settings: two })).toMatchObject({ value: { upstream: { name: 'b', secret: 'sk-b' } } });
  });
});

describe('the user', () => {
  test.each([
    { name: 'the header', header: 'ann', body: undefined, user: 'ann' },
    { name: 'the body, without a header', header: null, body: 'bob', user: 'bob' },
    { name: 'the header before the body', header: 'ann', body: 'bob', user: 'ann' },
    { name: 'nobody', header: null, body: undefined, user: null },
    { name: 'the body cut at 256 bytes, between characters', header: null, body: `a${'ü'.repeat(200)}`, user: `a${'ü'.repeat(127)}` },
  ])('is $name', async ({ header, body, user }) => {
    expect(await send({ apiKey: free.secret }, { user: header }, body === undefined ? {} : { bodyUserId: body })).toMatchObject({ value: { user } });
  });

  test('can be added when the body is read later, by the same rules', async () => {
    const [named, unnamed] = [await send({ apiKey: free.secret }, { user: 'ann' }), await send({ apiKey: free.secret })];
    if (!named.ok || !unnamed.ok) throw new Error('both are callers');
    expect(withBodyUser(named.value, 'bob')).toMatchObject({ value: { user: 'ann', workspace: 'support' } });
    expect(withBodyUser(unnamed.value, 'b'.repeat(300))).toMatchObject({ value: { user: 'b'.repeat(256) } });
    expect(withBodyUser(unnamed.value, 'a\u0000')).toMatchObject({ refusal: { reason: 'malformed' } });
    expect(withBodyUser(unnamed.value, null)).toEqual(unnamed);
  });

  test.each([
    { name: 'too long a header', header: 'x'.repeat(257), body: undefined },
    { name: 'a line break in the header', header: 'a\nb', body: undefined },
    { name: 'an escape in the body', header: null, body: 'a\u001b[2J' },
    { name: 'a line separator in the body', header: null, body: 'a\u2028b' },
  ])('is refused for $name', async ({ header, body }) => {
    expect(await send({ apiKey: free.secret }, { user: header }, body === undefined ? {} : { bodyUserId: body })).toMatchObject({ refusal: { reason: 'malformed' } });
  });
});

test('what a client says of itself beside its name is kept as it was said', async () => {
  const tags = new Map([['__proto__x', 'y']]);
  expect(await send({ apiKey: free.secret }, { session: 's', action: 'a', tags, priority: 'background' })).toMatchObject({ value: { session: 's', action: 'a', tags, priority: 'background' } });
  expect(await send({ apiKey: free.secret })).toMatchObject({ value: { session: null, action: null, priority: 'interactive' } });
});

test.each([
  { what: 'the workflow\'s', workflow: 'triage', said: null, priority: 'interactive' },
  { what: 'the workspace\'s, where the workflow has none', workflow: 'replies', said: null, priority: 'background' },
  { what: 'the workspace\'s, where there is no workflow', workflow: null, said: null, priority: 'background' },
  { what: 'what the call itself says', workflow: 'replies', said: 'interactive' as const, priority: 'interactive' },
  { what: 'what the call itself says, the other way round', workflow: 'triage', said: 'background' as const, priority: 'background' },
])('the priority is $what', async ({ workflow, said, priority }) => {
  const { workflows, ...rest } = support;
  const ranked = { ...rest, priority: 'background' as const, workflows: workflows.map((one) => (one.id === 'triage' ? { ...one, priority: 'interactive' as const } : one)) };
  expect(await send({ apiKey: free.secret }, { headerWorkflow: workflow, priority: said }, { settings: settings('keys', [ranked]) })).toMatchObject({ ...called, value: { priority } });
});

test('a workspace with a priority declares something, so that another name is no way around it', async () => {
  const quiet = { ...workspace('default', { open: true }), priority: 'background' as const };
  expect(await send({}, { pathWorkspace: 'anything' }, { settings: settings('open', [quiet]) })).toMatchObject({ ok: false, refusal: { reason: 'workspace_forbidden' } });
});
