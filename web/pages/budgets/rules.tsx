// web/pages/budgets/rules.tsx: every rule that looks, how it stands, and its YAML to copy.

import { useState } from 'preact/hooks';
import type { AlertsAnswer } from '../../../server/http/admin/wire.ts';
import { Snippet } from '../../parts/marks.tsx';
import { RULE_WORDS } from './words.ts';

type Rule = AlertsAnswer['rules'][number];

export function Rules({ answer }: { answer: AlertsAnswer }) {
  const [open, setOpen] = useState<Rule['rule'] | null>(null);
  const shown = answer.rules.find((one) => one.rule === open);
  const stateOf = (rule: Rule) => {
    const firing = answer.firing.filter((one) => one.rule === rule.rule);
    const pending = answer.pending.filter((one) => one.rule === rule.rule);
    if (!rule.enabled) return { tone: 'neutral', sign: '–', word: 'off' };
    if (firing.length > 0) return { tone: firing.some((one) => one.severity !== 'info' && one.state === 'firing') ? 'bad' : 'warn', sign: '!', word: `fires${firing.length > 1 ? ` for ${firing.length}` : ''}` };
    return pending.length > 0 ? { tone: 'warn', sign: '…', word: 'watching' } : { tone: 'good', sign: '✓', word: 'calm' };
  };
  return (
    <>
      <ul class="rules two">
        {answer.rules.map((rule) => {
          const state = stateOf(rule);
          return (
            <li key={rule.rule}>
              <span><strong>{RULE_WORDS[rule.rule].name}</strong> <span class="muted">{RULE_WORDS[rule.rule].when}</span></span>
              <span class={`outcome ${state.tone}`}><span class="outcome-sign" aria-hidden="true">{state.sign}</span>{state.word}</span>
              {rule.yaml === '' ? <span /> : <button type="button" class="quiet small" aria-expanded={open === rule.rule} onClick={() => setOpen(open === rule.rule ? null : rule.rule)} aria-label={`YAML of ${RULE_WORDS[rule.rule].name}`}>YAML</button>}
              {shown?.rule === rule.rule && <div class="rule-yaml"><Snippet text={shown.yaml} what="the rule" /></div>}
            </li>
          );
        })}
      </ul>
      <p class="note muted">A rule is changed in the configuration; it is in force as soon as the file is saved.</p>
    </>
  );
}
