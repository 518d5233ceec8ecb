// grafana/generate.ts: writes the boards, rules and provisioning files beside the code: npm run grafana -- [--grafana-url U] [--tollgate-url U] [--runbook-url U]

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { LOCAL } from './config.ts';
import { generated } from './files.ts';

const { values } = parseArgs({
  options: {
    'grafana-url': { type: 'string', default: LOCAL.grafana },
    'tollgate-url': { type: 'string', default: LOCAL.tollgate },
    'runbook-url': { type: 'string', default: LOCAL.runbooks },
    to: { type: 'string', default: 'grafana' },
  },
});

for (const [path, text] of generated({ grafana: values['grafana-url'], tollgate: values['tollgate-url'], runbooks: values['runbook-url'] })) {
  const file = join(values.to, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
