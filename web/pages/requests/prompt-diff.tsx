// web/pages/requests/prompt-diff.tsx: what of a call's prompt was the same in the call before, where the two part, and what the cache made of it.

import type { PromptAnswer } from '../../../server/http/admin/wire.ts';
import { duration, fullTime, whole } from '../../format.ts';
import { Answered } from '../../parts/panel.tsx';
import { useAsk } from '../../server.ts';
import { addressWith, FILTERS, follow } from '../../state/location.ts';
import { zone } from '../../state/period.ts';

type Boundary = PromptAnswer['boundaries'][number];
type Before = NonNullable<PromptAnswer['before']>;

export function PromptDiff({ id, admitted }: { id: string; admitted: number }) {
  const asked = useAsk<PromptAnswer>(`/api/requests/${encodeURIComponent(id)}/prompt`);
  return <Answered asked={asked} skeleton="row">{(answer) => <Diff answer={answer} admitted={admitted} />}</Answered>;
}

function Diff({ answer, admitted }: { answer: PromptAnswer; admitted: number }) {
  const { before } = answer;
  if (!answer.hashed) return <p class="muted">No hashes of this prompt are kept: it was not sent, its call has not ended, it was very large, or <code>savings.prefix_hashes</code> is off.</p>;
  if (before === null) return <p class="muted">{whole(answer.bytes)} bytes. No recent call of its workflow and model has hashes to compare with.</p>;
  return (
    <>
      <p>
        Against <a href={addressWith({ row: before.id })} onClick={follow} title={`${before.id}, ${fullTime(Date.parse(before.admitted_at), zone.value)}`}>the call {duration(admitted - Date.parse(before.admitted_at))} before</a>
        {before.chosen === 'session' ? ' of its session' : answer.shared_bytes > 0 ? ', which shares the most of the recent ones of its workflow' : ' in its workflow'}: {difference(answer)}
      </p>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="The prompt against the one before">
        <table class="cost-lines">
          <thead><tr><th scope="col">Up to the end of</th><th scope="col" class="figure">Bytes</th><th scope="col" class="figure wide-only">Before</th><th scope="col">Is</th></tr></thead>
          <tbody>
            {answer.boundaries.map((one, at) => (
              <tr key={at}>
                <th scope="row"><a href={addressWith({ [FILTERS.prefix]: [one.prefix], row: null })} onClick={follow} title="Calls whose prompts are the same up to here">{named(answer.boundaries, at)}</a>{one.breakpoint && <span class="factor">breakpoint</span>}</th>
                <td class="figure">{whole(one.bytes)}</td>
                <td class="figure wide-only">{one.bytes_before === null ? <span class="muted">–</span> : whole(one.bytes_before)}</td>
                <td><State state={one.state} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="note">{CACHE_WORDS[answer.cache!](answer, before)}</p>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="The cache in both calls">
        <table class="cost-lines">
          <thead><tr><th scope="col">Tokens</th><th scope="col" class="figure">Read</th><th scope="col" class="figure">Written</th><th scope="col" class="figure">Uncached</th></tr></thead>
          <tbody>
            {([['This call', answer.tokens], ['The one before', before.tokens]] as const).map(([name, tokens]) => (
              <tr key={name}><th scope="row">{name}</th><td class="figure">{whole(tokens.cache_read)}</td><td class="figure">{whole(tokens.cache_write_5m + tokens.cache_write_1h)}</td><td class="figure">{whole(tokens.input)}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="note muted">Compared by keyed hashes and lengths; no text is kept.</p>
    </>
  );
}

const STATES: Readonly<Record<Boundary['state'], { sign: string; word: string; tone: string }>> = {
  same: { sign: '✓', word: 'the same', tone: 'good' }, differs: { sign: '✕', word: 'different', tone: 'bad' },
  beyond: { sign: '–', word: 'beyond that', tone: 'neutral' }, added: { sign: '+', word: 'new', tone: 'neutral' },
};

function State({ state }: { state: Boundary['state'] }) {
  const { sign, word, tone } = STATES[state];
  return <span class={`outcome ${tone}`}><span class="outcome-sign" aria-hidden="true">{sign}</span>{word}</span>;
}

/** Within tools and system only breakpoints have a boundary of their own, as in the midst of a long conversation. */
function named(boundaries: readonly Boundary[], at: number): string {
  const { part, message } = boundaries[at]!;
  if (part === 'messages') return message === null ? (boundaries.filter((one) => one.part === part).length === 1 ? 'Messages' : 'A message between') : `Message ${whole(message)}`;
  const name = part === 'tools' ? 'Tools' : 'System';
  return boundaries[at + 1]?.part === part ? `${name}, in part` : name;
}

/** Lengths as near as these come of something that changes with each call, as a time or an id does. */
const NEAR_BYTES = 64;

function difference({ boundaries, shared_bytes: shared, bytes }: PromptAnswer): string {
  const at = boundaries.findIndex((one) => one.state === 'differs');
  const differs = boundaries[at];
  if (differs === undefined) return boundaries.some((one) => one.state === 'added') ? `all of it is there, and ${whole(bytes - shared)} bytes were added.` : 'the prompt is the same to its end.';
  const where = named(boundaries, at);
  const near = differs.bytes_before !== null && differs.part !== 'messages' && Math.abs(differs.bytes - differs.bytes_before) <= NEAR_BYTES;
  const part = shared === 0 ? `it differs from the start, by the end of “${where}”` : `the first ${whole(shared)} of ${whole(bytes)} bytes are the same; it differs by the end of “${where}”`;
  return `${part}.${near ? ' It is about as long as before: something in it may change with each call, such as a time or an id.' : ''}`;
}

const CACHE_WORDS: Readonly<Record<NonNullable<PromptAnswer['cache']>, (answer: PromptAnswer, before: Before) => string>> = {
  read: ({ tokens }) => `The cache gave ${whole(tokens.cache_read)} tokens${tokens.cache_write_5m + tokens.cache_write_1h > 0 ? ', and took the rest up to the last breakpoint' : ''}.`,
  not_asked: () => 'The body asks for no caching, so the same beginning was paid for again.',
  unknown: () => 'How many tokens were read is not known: the answer never told.',
  other_model: (_, before) => `Nothing was read: the call before went to ${before.model ?? 'no model'}, and each model has a cache of its own.`,
  nothing_left: () => 'Nothing was read: the call before put nothing into the cache. It did not ask for it, or its prompt is below the least that the model caches.',
  differs: () => 'Nothing was read: the two part before the first breakpoint of the call before. What changes belongs behind it.',
  not_ready: () => 'Nothing was read: the call before was not being answered yet, and only then can its beginning be read.',
  lapsed: (_, before) => `Nothing was read: the entry had lapsed. It lives for ${before.tokens.cache_write_1h > 0 ? 'an hour' : 'five minutes'} after its last use.`,
  unexplained: () => 'Nothing was read, although the beginning should have been there; the provider may have dropped it.',
};
