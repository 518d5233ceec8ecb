// test/standin/models-list.ts: GET /v1/models and one of them.

import type { ModelInfo } from '@anthropic-ai/sdk/resources/models.js';
import { jsonAnswer, type Answer } from './answer.ts';
import { ApiError } from './errors.ts';
import { findModel, MODELS, type StandinModel } from './models.ts';
import { paged } from './paging.ts';
import type { Visit } from './world.ts';

export function listModels(visit: Visit): Answer {
  const wanted = [...visit.query.getAll('lifecycle'), ...visit.query.getAll('lifecycle[]')];
  return jsonAnswer(paged(MODELS.filter((m) => wanted.length === 0 || wanted.includes(m.lifecycle)).map(shown), visit.query, 20));
}

export function getModel(visit: Visit): Answer {
  const name = decodeURIComponent(visit.path.split('/')[3] ?? '');
  const model = findModel(name);
  if (!model) throw new ApiError('not_found_error', `model: ${name}`);
  return jsonAnswer(shown(model));
}

function shown(model: StandinModel): ModelInfo {
  const yes = { supported: true };
  const newer = { supported: model.tokenizer === 'newer' };
  return {
    id: model.id,
    type: 'model',
    display_name: model.name,
    created_at: model.createdAt,
    lifecycle: model.lifecycle,
    deprecated_at: model.lifecycle === 'deprecated' ? '2026-09-01T00:00:00Z' : null,
    retires_at: model.retiresAt,
    line: model.line,
    max_input_tokens: model.context,
    max_tokens: model.maxOutput,
    capabilities: {
      batch: yes, citations: yes, code_execution: yes, image_input: yes, pdf_input: yes, structured_outputs: yes,
      context_management: { supported: true, clear_thinking_20251015: yes, clear_tool_uses_20250919: yes, compact_20260112: newer },
      effort: { supported: newer.supported, low: newer, medium: newer, high: newer, xhigh: newer, max: newer },
      server_tools: { supported: true, code_execution: yes, web_search: yes },
      thinking: { supported: true, types: { adaptive: newer, between_tools: newer, disabled: yes, enabled: yes } },
    },
  };
}
