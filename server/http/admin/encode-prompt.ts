// server/http/admin/encode-prompt.ts: which earlier call a prompt is compared with, and what came of it, in the words of the wire.

import type { CallPrompt, CallRow, PromptsReport } from '../../domain/reports.ts';
import { cacheVerdict, nearest, promptDiff, type CachedCall } from '../../identify/prompt-diff.ts';
import { decodeMarks, type PromptMarks } from '../../identify/prompt-marks.ts';
import { iso, tokens } from './encode.ts';
import type { PromptAnswer } from './wire.ts';

/**
 * Compares with the call before of the same session, as its turns build on each other; where there is none, with that of the recent calls
 * of the workflow and model that shares the longest beginning, since the provider's cache is common to them and that is what it could read.
 */
export function promptAnswer({ call, sameSession, recent }: PromptsReport): PromptAnswer {
  const marks = call.prompt === null ? null : decodeMarks(call.prompt);
  if (marks === null) return { hashed: false, cache_ttl: null, automatic: false, bytes: 0, tokens: tokens(call.row.tokens), before: null, shared_bytes: 0, boundaries: [], cache: null };
  const turn = sameSession === null ? [] : decoded([sameSession]);
  const before = turn[0] ?? nearest(marks, decoded(recent));
  const diff = before === null ? null : promptDiff(marks, before.marks);
  return {
    hashed: true,
    cache_ttl: marks.cacheTtl,
    automatic: marks.automatic,
    bytes: marks.marks.at(-1)?.bytes ?? 0,
    tokens: tokens(call.row.tokens),
    before: before === null ? null : {
      id: before.row.id, admitted_at: iso(before.row.admittedAt), chosen: before === turn[0] ? 'session' : 'longest', model: before.row.modelSent, same_model: before.row.modelSent === call.row.modelSent, tokens: tokens(before.row.tokens),
    },
    shared_bytes: diff?.sharedBytes ?? 0,
    boundaries: diff === null ? [] : diff.boundaries.map(({ part, message, prefix, breakpoint, bytes, bytesBefore, state }) => ({ part, message, prefix, breakpoint, bytes, bytes_before: bytesBefore, state })),
    cache: before === null ? null : cacheVerdict(cached(call.row, marks), cached(before.row, before.marks)),
  };
}

const decoded = (calls: readonly CallPrompt[]): { readonly row: CallRow; readonly marks: PromptMarks }[] =>
  calls.flatMap(({ row, prompt }) => {
    const marks = decodeMarks(prompt);
    return marks === null ? [] : [{ row, marks }];
  });

const cached = (row: CallRow, marks: PromptMarks): CachedCall => ({
  marks, model: row.modelSent, tokens: row.tokens, at: row.admittedAt, answeredAt: row.timeToFirstTokenMs === null ? row.endedAt : row.admittedAt + row.timeToFirstTokenMs,
});
