// test/admit/feature-policy.test.ts: what a workflow may use besides its model, and rules that only rehearse.

import { expect, test } from 'vitest';
import type { Ask, AskFeatures } from '../../server/domain/call.ts';
import type { FeatureRules } from '../../server/domain/settings.ts';
import { admit, admitted, ask, budget, caller, openGate, workspace } from './scene.ts';

const features = (more: Partial<AskFeatures>): Partial<Ask> => ({ features: { toolNames: [], mcpServers: [], container: false, skills: false, thinking: false, ...more } });

function verdict(rules: FeatureRules, more: Partial<Ask>, betas: string[] = [], place = 'w/f') {
  const { gate } = openGate({ workspaces: [workspace('w', { features: rules }, { f: {} })] });
  const cleared = gate.clear(caller(place), 'messages', ask('m', more), betas);
  return cleared.ok ? 'allowed' : `${cleared.refusal.reason}: ${cleared.refusal.message}`;
}

test.each<{ name: string; allow?: string[]; deny?: string[]; uses?: Partial<Ask>; betas?: string[]; said: string }>([
  { name: 'a server tool that is allowed by its glob', allow: ['server_tool:web_search_*'], uses: { serverTools: ['web_search_20260209'] }, said: 'allowed' },
  { name: 'a server tool of a kind that is closed', allow: ['server_tool:web_search_*'], uses: { serverTools: ['web_search_20260209', 'code_execution_20250825'] }, said: 'feature_not_allowed: server_tool:code_execution_20250825 is not allowed in w. Allowed: server_tool:web_search_*' },
  { name: 'a feature of a kind that no list names', allow: ['server_tool:web_search_*'], uses: features({ thinking: true, toolNames: ['bash'] }), said: 'allowed' },
  { name: 'what is denied though it is allowed', allow: ['server_tool:*'], deny: ['server_tool:web_fetch_*'], uses: { serverTools: ['web_fetch_1'] }, said: 'feature_not_allowed: server_tool:web_fetch_1 is not allowed in w. Allowed: server_tool:* but server_tool:web_fetch_*' },
  { name: 'any MCP server where all are denied', deny: ['mcp_server:*'], uses: features({ mcpServers: ['https://a.example/mcp'] }), said: 'feature_not_allowed: mcp_server:https://a.example/mcp is not allowed in w. Allowed: none' },
  { name: 'an MCP server by its address', allow: ['mcp_server:https://a.example/*'], uses: features({ mcpServers: ['https://a.example/mcp'] }), said: 'allowed' },
  { name: 'an MCP server of another host', allow: ['mcp_server:https://a.example/*'], uses: features({ mcpServers: ['https://a.example.evil/mcp'] }), said: 'feature_not_allowed: mcp_server:https://a.example.evil/mcp is not allowed in w. Allowed: mcp_server:https://a.example/*' },
  { name: 'fast mode', deny: ['speed:fast'], uses: { speed: 'fast' }, said: 'feature_not_allowed: speed:fast is not allowed in w. Allowed: every speed but speed:fast' },
  { name: 'the usual speed', deny: ['speed:*'], uses: { speed: 'standard' }, said: 'allowed' },
  { name: 'another place', allow: ['geo:us'], uses: { inferenceGeo: 'eu' }, said: 'feature_not_allowed: geo:eu is not allowed in w. Allowed: geo:us' },
  { name: 'no place where only one is allowed', allow: ['geo:us'], said: 'allowed' },
  { name: 'a beta by its glob', deny: ['beta:computer-use-*'], betas: ['a', 'computer-use-2025'], said: 'feature_not_allowed: beta:computer-use-2025 is not allowed in w. Allowed: every beta but beta:computer-use-*' },
  { name: 'thinking', deny: ['thinking'], uses: features({ thinking: true }), said: 'feature_not_allowed: thinking is not allowed in w. thinking is denied' },
  { name: 'files', deny: ['files'], uses: { fileIds: ['file_1'] }, said: 'feature_not_allowed: files is not allowed in w. files is denied' },
  { name: 'a container', deny: ['container'], uses: features({ container: true }), said: 'feature_not_allowed: container is not allowed in w. container is denied' },
  { name: 'skills in a container', deny: ['skills'], uses: features({ container: true, skills: true }), said: 'feature_not_allowed: skills is not allowed in w. skills is denied' },
  { name: 'a tool by its name', deny: ['tool:bash'], uses: features({ toolNames: ['read', 'bash'] }), said: 'feature_not_allowed: tool:bash is not allowed in w. Allowed: every tool but tool:bash' },
])('$name', ({ allow = [], deny = [], uses = {}, betas = [], said }) => {
  expect(verdict({ allow, deny }, uses, betas)).toBe(said);
});

test('files and skills endpoints are features without a body; a batch is one for each item', () => {
  const { gate } = openGate({ workspaces: [workspace('w', { features: { allow: [], deny: ['files', 'batches'] } })] });
  expect(gate.clear(caller(), 'files', null)).toMatchObject({ ok: false, refusal: { reason: 'feature_not_allowed', rule: 'features:w' } });
  expect(gate.clear(caller(), 'skills', null).ok).toBe(true);
  expect(gate.clear(caller(), 'batches', ask('m'))).toMatchObject({ ok: false, refusal: { reason: 'feature_not_allowed' } });
  expect(gate.clear(caller(), 'batch_results', null).ok).toBe(true);
});

test('a workflow narrows its workspace and cannot loosen it', () => {
  const { gate } = openGate({ workspaces: [workspace('w', { features: { allow: [], deny: ['thinking'] } }, { f: { features: { allow: ['tool:read'], deny: [] } } })] });
  const says = (more: Partial<AskFeatures>) => gate.clear(caller('w/f'), 'messages', ask('m', features(more)));
  expect([says({ thinking: true }).ok, says({ toolNames: ['bash'] }).ok, says({ toolNames: ['read'] }).ok]).toEqual([false, false, true]);
});

test('rules that rehearse refuse nothing and say what they would have', () => {
  const { gate } = openGate({ workspaces: [workspace('w', { models: { allow: ['x'], dryRun: true }, maxOutputTokens: 10, maxOutputDryRun: true, features: { allow: [], deny: ['thinking'], dryRun: true } })] });
  const cleared = gate.clear(caller(), 'messages', ask('m', { maxTokens: 11, ...features({ thinking: true }) }));
  expect(cleared).toMatchObject({ ok: true, value: { model: 'm', decisions: ['models:w', 'features:w', 'max_output_tokens:w'].map((rule) => ({ rule, verdict: 'would_refuse' })) } });
});

test('a limit that rehearses lets every call through, and counts only those it would have let', async () => {
  const { gate, clock } = openGate({ workspaces: [workspace('w', { limits: { requestsPerMinute: 2, concurrent: 100, dryRun: true } })] });
  const verdicts: string[] = [];
  for (let i = 0; i < 5; i++) {
    const admission = await admitted(admit(gate));
    verdicts.push(admission.decisions.find(({ rule }) => rule === 'limit:w/requests')!.verdict);
    admission.release(admission.held, null);
  }
  expect(verdicts).toEqual(['allow', 'allow', 'would_refuse', 'would_refuse', 'would_refuse']);
  clock.pass(30_000);
  expect((await admitted(admit(gate))).decisions[0]!.verdict).toBe('allow');
});

test('a hard budget that rehearses lets calls through, and says so', async () => {
  const { gate } = openGate({ budgets: [{ ...budget('b', '1'), dryRun: true }] });
  expect((await admitted(admit(gate, { ceiling: '2' }))).decisions).toEqual([{ rule: 'budget:b', verdict: 'would_refuse', detail: 'held 2.000000000 of 1.000000000' }]);
});
