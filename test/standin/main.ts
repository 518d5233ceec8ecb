// test/standin/main.ts: the stand-in as a program: node dist/test/standin/main.js --port 4200

import { parseArgs } from 'node:util';
import { FAULTS } from './faults.ts';
import { startStandin } from './standin.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4200' },
    seed: { type: 'string', default: 'standin' },
    'first-byte-ms': { type: 'string', default: '0' },
    'ms-per-token': { type: 'string', default: '0' },
    compress: { type: 'boolean', default: false },
    'log-requests': { type: 'string', default: '1000' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  const faults = Object.entries(FAULTS).map(([name, what]) => `  ${name.padEnd(22)}${what}`);
  console.log(['A stand-in for the Claude API on a loopback port.', '', '  --port 4200  --seed standin  --first-byte-ms 0  --ms-per-token 0  --compress  --log-requests 1000', '', 'Faults, in the request header x-standin-fault (several with ; between them):', ...faults, '', 'Other request headers: x-standin-output: tokens', '                       x-standin-fixed: bytes', '                       x-standin-sse: events=1000,bytes=120,every=0'].join('\n'));
} else {
  const firstByteMs = Number(values['first-byte-ms']);
  const standin = await startStandin({
    port: Number(values.port),
    seed: values.seed,
    compress: values.compress,
    pace: { firstByteMs: [firstByteMs / 2, firstByteMs * 1.5], msPerToken: Number(values['ms-per-token']) },
    log: { requests: Number(values['log-requests']), bodyBytes: 65_536 },
  });
  console.log(`stand-in for the Claude API at ${standin.url}`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void standin.close().then(() => process.exit(0)));
}
