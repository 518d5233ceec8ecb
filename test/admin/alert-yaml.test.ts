// test/admin/alert-yaml.test.ts: the YAML that the dashboard shows of a rule is what the config takes, and means the same.

import { expect, test } from 'vitest';
import { ALERT_RULES } from '../../server/domain/alert.ts';
import type { Settings } from '../../server/domain/settings.ts';
import { ruleYaml } from '../../server/http/admin/alert-yaml.ts';
import { loadText } from '../../server/settings/load.ts';
import { mistakeText } from '../../server/settings/mistakes.ts';

function settingsOf(text: string): Settings {
  const loaded = loadText({ file: 'config/tollgate.yaml', text, env: {}, overrides: {}, exists: () => true });
  if (!loaded.ok) throw new Error(loaded.mistakes.map(mistakeText).join('\n'));
  return loaded.settings;
}

const CHANNELS = 'alerts:\n  channels: { ops: { type: webhook, url: "https://example.org/hook" } }\n';
const CHANGED = settingsOf(`
budgets:
  - { id: all-month, scope: { organization: true }, limit_usd: 12.5, period: month, mode: soft, alert_at: [33.3%, 80%], notify: [ops] }
  - { id: ada-day, scope: { user: ada }, limit_usd: 3, period: day, mode: hard }
alerts:
  channels: { ops: { type: webhook, url: "https://example.org/hook" } }
  anomaly: { floor_usd_per_hour: 2.5, deviations: 6, weeks: 5, for: 90s }
  rules:
    pace: { spent: 60%, factor: 3 }
    errors: { objective: 99.9%, least: 5 }
    first_token: { slower_than: 4s, objective: 90% }
    headroom: { warn_below: 25%, limited: 0.5% }
    key_unused: { after_days: [7, 14] }
    price_book: { enabled: false, after_days: 45 }
`);

test.each(ALERT_RULES)('the rule %s reads back as it stands', (rule) => {
  const written = ruleYaml(rule, CHANGED);
  const back = rule === 'budget' ? settingsOf(CHANNELS + written) : settingsOf(written);
  if (rule === 'budget') return expect(back.budgets).toEqual(CHANGED.budgets);
  if (rule === 'anomaly') return expect(back.alerts.anomaly).toEqual(CHANGED.alerts.anomaly);
  const name = rule.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()) as keyof Settings['alerts']['rules'];
  expect(back.alerts.rules[name]).toEqual(CHANGED.alerts.rules[name]);
});

test('without a budget there is nothing to write', () => {
  expect(ruleYaml('budget', settingsOf('access: open'))).toBe('');
});
