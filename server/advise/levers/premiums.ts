// server/advise/levers/premiums.ts: what was paid for how and where a call ran, and for a prompt just past the long-prompt band.

import { picodollars } from '../../domain/money.ts';
import { promptTokens, TOKEN_KINDS, type Tokens } from '../../domain/usage.ts';
import { ratesFor, type Serving } from '../../price/rates.ts';
import type { LeverWatch, Seen } from '../seen.ts';

/** A prompt this much over the band can perhaps be trimmed to it. */
const OVER = 1.25;

/** Exact for fast mode and US inference: cost × (1 − 1/multiplier), which may be required. At most for the band: trimming may lose content. */
export function watchPremiums(): LeverWatch {
  return {
    see(seen) {
      const { call, price } = seen;
      if (seen.needless || call.cost === 0) return;
      const { tokens } = call;
      const prompt = promptTokens(tokens);
      // Nearly all calls are paid at the plain rate.
      if (call.speed !== 'fast' && call.inferenceGeo !== 'us' && prompt <= (price.longPrompt?.aboveTokens ?? Infinity)) return;
      const serving: Serving = { batch: call.batch, fast: call.speed === 'fast', us: call.inferenceGeo === 'us' };
      const at = (how: Serving, length: number): number => nano(tokens, how, length, seen);
      const paid = at(serving, prompt);
      const plain = serving.fast || serving.us ? at({ ...serving, fast: false, us: false }, prompt) : paid;
      if (paid > plain) {
        const claim = seen.group.claim('premiums');
        claim.add(seen, paid - plain, paid - plain);
        claim.facts['fast'] = Number(claim.facts['fast'] ?? 0) + (serving.fast ? 1 : 0);
        claim.facts['us'] = Number(claim.facts['us'] ?? 0) + (serving.us ? 1 : 0);
      }
      const limit = price.longPrompt?.aboveTokens ?? Infinity;
      if (prompt <= limit || prompt > limit * OVER || (serving.fast && price.fast !== null)) return;
      const claim = seen.group.claim('long_prompt_band');
      // The same call with the uncached part of its prompt cut to the band, as far as there is one.
      const trimmed = { ...tokens, input: Math.max(0, tokens.input - (prompt - limit)) };
      claim.add(seen, 0, plain - nano(trimmed, { ...serving, fast: false, us: false }, limit, seen));
      claim.facts['limit'] = limit;
    },
    end: () => undefined,
  };
}

function nano(tokens: Tokens, serving: Serving, prompt: number, { price }: Seen): number {
  const { rates } = ratesFor(price, serving, prompt);
  return Number(picodollars(TOKEN_KINDS.reduce((sum, kind) => sum + BigInt(tokens[kind]) * rates[kind], 0n))) / 1000;
}
