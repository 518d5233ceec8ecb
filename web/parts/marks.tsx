// web/parts/marks.tsx: the small marks that tables and cards are made of: swatch, sparkline, change, tokens by kind, outcome, copy.

import { useState } from 'preact/hooks';
import type { TokenCounts } from '../../server/http/admin/wire.ts';
import { colourOf, slotsFor, type Slot } from '../charts/palette.ts';
import { compact, outcomeWord } from '../format.ts';
import { shade } from '../shell/theme.ts';
import { KIND_WORDS, KINDS, tokensInWords, tokenSum } from './tokens.ts';

export function Swatch({ slot }: { slot: Slot }) {
  // Set through the object model, so that a content security policy without inline styles lets it pass.
  return <i class={`swatch ${slot.striped ? 'striped' : ''}`} style={{ backgroundColor: colourOf(slot, shade.value) }} aria-hidden="true" />;
}

/** A line without axes; its figures stand beside it, so it is silent for screen readers. */
export function Sparkline({ values }: { values: readonly (number | null)[] }) {
  const known = values.map((value) => value ?? 0);
  if (known.length < 2) return <svg class="spark" aria-hidden="true" />;
  const top = Math.max(...known, 0);
  const bottom = Math.min(...known, 0);
  const span = top - bottom || 1;
  const points = known.map((value, i) => `${((i / (known.length - 1)) * 100).toFixed(2)},${(27 - ((value - bottom) / span) * 24).toFixed(2)}`);
  return (
    <svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
      <polygon class="spark-area" points={`0,30 ${points.join(' ')} 100,30`} />
      <polyline class="spark-line" points={points.join(' ')} vector-effect="non-scaling-stroke" />
    </svg>
  );
}

/** `good` tells which direction is welcome; the arrow and the words say it without colour. */
export function Delta({ text, direction, good, detail }: { text: string; direction: 'up' | 'down' | 'flat'; good: 'up' | 'down' | null; detail?: string }) {
  const tone = direction === 'flat' || good === null ? 'neutral' : direction === good ? 'good' : 'bad';
  return (
    <span class={`delta ${tone}`} title={detail}>
      {direction !== 'flat' && <span aria-hidden="true">{direction === 'up' ? '↑' : '↓'}</span>}
      {direction !== 'flat' && <span class="unseen">{direction === 'up' ? 'up' : 'down'} </span>}
      {text}
    </span>
  );
}

/** All tokens as one bar, split by kind; its length is on a log scale against `most`, so that a small call stays visible beside a big one. */
export function TokensBar({ tokens, most }: { tokens: TokenCounts; most: number }) {
  const sum = tokenSum(tokens);
  const slots = slotsFor('kind', KINDS);
  if (sum === 0) return <span class="muted">–</span>;
  const length = most > 1 ? Math.max(0.06, Math.log1p(sum) / Math.log1p(most)) : 1;
  return (
    <span class="tokens" title={tokensInWords(tokens)}>
      <span class="tokens-count">{compact(sum)}</span>
      <span class="tokens-track" aria-hidden="true">
        <span class="tokens-fill" style={{ width: `${length * 100}%` }}>
          {KINDS.map((kind, i) => tokens[kind] > 0 && <i key={kind} style={{ flexGrow: tokens[kind], backgroundColor: colourOf(slots[i]!, shade.value) }} />)}
        </span>
      </span>
      <span class="unseen">{tokensInWords(tokens)}</span>
    </span>
  );
}

export function TokensLegend() {
  const slots = slotsFor('kind', KINDS);
  return (
    <ul class="legend small">
      {KINDS.map((kind, i) => <li key={kind}><Swatch slot={slots[i]!} /> {KIND_WORDS[kind]}</li>)}
    </ul>
  );
}

const TONES: Readonly<Record<string, string>> = { ok: 'good', truncated: 'warn', refused: 'warn', client_abort: 'neutral', drained: 'neutral' };
const SIGNS: Readonly<Record<string, string>> = { good: '✓', warn: '!', bad: '✕', neutral: '–', flying: '…' };

/** An outcome as sign and word; the colour only repeats them. */
export function OutcomeMark({ outcome, status }: { outcome: string | null; status?: number | null }) {
  const tone = outcome === null ? 'flying' : (TONES[outcome] ?? 'bad');
  return (
    <span class={`outcome ${tone}`}>
      <span class="outcome-sign" aria-hidden="true">{SIGNS[tone]}</span>
      {outcomeWord(outcome)}
      {status != null && outcome !== 'ok' && <span class="muted"> {status}</span>}
    </span>
  );
}

/** A sentence of the server's, in which what stands between backticks is code. */
export function Prose({ text }: { text: string }) {
  // Every other part stood between two; a backtick without a partner stays one.
  const parts = text.split(/`([^`]+)`/);
  return <>{parts.map((part, i) => (i % 2 === 1 ? <code key={i} class="wraps">{part}</code> : part))}</>;
}

export function Copy({ text, what, label = 'Copy' }: { text: string; what: string; label?: string }) {
  const [done, setDone] = useState<'no' | 'yes' | 'failed'>('no');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone('yes');
    } catch {
      setDone('failed'); // Without a secure context the browser has no clipboard; the text can still be marked by hand.
    }
    setTimeout(() => setDone('no'), 1_600);
  };
  return (
    <button type="button" class="copy quiet" onClick={copy} aria-label={label === 'Copy' ? `Copy ${what}` : undefined}>
      <span aria-live="polite">{done === 'yes' ? 'Copied' : done === 'failed' ? 'Mark it by hand' : label}</span>
    </button>
  );
}

export function Snippet({ text, what }: { text: string; what: string }) {
  return (
    <div class="snippet">
      <pre tabIndex={0}><code>{text}</code></pre>
      <Copy text={text} what={what} />
    </div>
  );
}
