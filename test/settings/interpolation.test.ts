// test/settings/interpolation.test.ts: variables in the config.

import { expect, test } from 'vitest';
import { interpolate } from '../../server/settings/interpolate.ts';
import { loadText } from '../../server/settings/load.ts';

const ENV = { NAME: 'value', EMPTY: '', NESTED: '${NAME}', _x9: 'underscored' };

test.each([
  { text: 'plain', filled: 'plain' },
  { text: '${NAME}', filled: 'value' },
  { text: 'a-${NAME}-b', filled: 'a-value-b' },
  { text: '${NAME}${NAME}', filled: 'valuevalue' },
  { text: '${_x9}', filled: 'underscored' },
  { text: '${EMPTY}', filled: '' },
  { text: '${NAME:-other}', filled: 'value' },
  { text: '${EMPTY:-other}', filled: 'other' },
  { text: '${MISSING:-other}', filled: 'other' },
  { text: '${MISSING:-}', filled: '' },
  { text: '${MISSING:-http://host:80/a-b}', filled: 'http://host:80/a-b' },
  { text: '${NESTED}', filled: '${NAME}' },
  { text: '$${NAME}', filled: '${NAME}' },
  { text: '$NAME $$ {NAME} $', filled: '$NAME $$ {NAME} $' },
])('"$text" becomes "$filled"', ({ text, filled }) => {
  expect(interpolate(text, ENV)).toMatchObject({ text: filled, mistakes: [] });
});

test.each(['${MISSING}', '${}', '${NAME', '${1NAME}', '${NA ME}', '${NAME:other}', '${NAME-other}', '${constructor}', '${__proto__}', 'a ${MISSING} b'])('"%s" is a mistake', (text) => {
  expect(interpolate(text, ENV).mistakes).toHaveLength(1);
});

test('a value from the environment that looks like YAML stays one text', () => {
  const loaded = loadText({ file: 'f', text: 'workspaces: [{ id: a, models: { allow: ["${PATTERN}"] } }]\n', env: { PATTERN: 'x,{y:[z]}#"' }, exists: () => true });
  expect(loaded.ok && [...loaded.settings.workspaces.values()][0]!.models.allow).toEqual(['x,{y:[z]}#"']);
});

test('figures and switches may come from the environment', () => {
  const text = 'max_in_flight: ${IN_FLIGHT}\nlisten: 127.0.0.1:${PORT:-4100}\nalerts: { anomaly: { enabled: "${ANOMALY}" } }\ndrain: ${DRAIN}\n';
  const loaded = loadText({ file: 'f', text, env: { IN_FLIGHT: '12', PORT: '5100', ANOMALY: 'false', DRAIN: '5s' }, exists: () => true });
  expect(loaded).toMatchObject({ ok: true, settings: { maxInFlight: 12, listen: { port: 5100 }, alerts: { anomaly: { enabled: false } }, drainMs: 5000 } });
});

test('a variable inside a comment or a key is left alone', () => {
  expect(loadText({ file: 'f', text: 'access: open # ${MISSING}\n', env: {}, exists: () => true }).ok).toBe(true);
  expect(loadText({ file: 'f', text: '${MISSING}: open\n', env: { MISSING: 'access' }, exists: () => true }).ok).toBe(false);
});
