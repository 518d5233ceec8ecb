// test/bench/subjects.ts: what is measured: the gateway with everything metered and durable, nginx as a plain proxy, and nothing in between.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LOAD_CORE, startOn, SUBJECT_CORE, untilOpen, type Program } from './system.ts';

const dist = fileURLToPath(new URL('../..', import.meta.url));

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The stand-in, for streams. */
export async function startStandin(): Promise<Program> {
  const port = await freePort();
  const { child, output } = startOn(LOAD_CORE, process.execPath, [join(dist, 'test/standin/main.js'), '--port', String(port), '--log-requests', '0']);
  await untilOpen(port, child, output);
  return { name: 'stand-in', url: `http://127.0.0.1:${port}`, process: child };
}

/** A certificate of `localhost` that signs itself, and its key. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

export function makeCertificate(folder: string): Certificate {
  const made = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') };
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', made.key, '-out', made.certificate], { stdio: 'ignore' });
  return made;
}

/** What makes a program on Node trust it. */
const trusting = (tls: Certificate | null): Record<string, string> => (tls === null ? {} : { NODE_EXTRA_CA_CERTS: tls.certificate });

/** An nginx that answers every call with one JSON message: an upstream that costs next to nothing, so that it is not what is measured. @param tls null: it speaks plain HTTP */
export async function startFixedUpstream(folder: string, answer: string, tls: Certificate | null = null): Promise<Program> {
  const port = await freePort();
  const location = `location / { default_type application/json; add_header request-id req_bench; return 200 '${answer.replaceAll("'", '')}'; }`;
  const secured = tls === null ? '' : `ssl_certificate ${tls.certificate}; ssl_certificate_key ${tls.key};`;
  const process = await startNginx(join(folder, tls === null ? 'upstream' : 'upstream-tls'), LOAD_CORE, port, `${secured} ${location}`, '', tls === null ? '' : 'ssl');
  return { name: 'upstream', url: tls === null ? `http://127.0.0.1:${port}` : `https://localhost:${port}`, process };
}

export async function startNginxProxy(folder: string, name: string, upstream: string, tls: Certificate | null = null): Promise<Program> {
  const port = await freePort();
  const origin = new URL(upstream);
  const verified = tls === null ? '' : `proxy_ssl_verify on; proxy_ssl_trusted_certificate ${tls.certificate}; proxy_ssl_name localhost; proxy_ssl_server_name on;`;
  const location = `location / { proxy_pass ${origin.protocol}//origin; ${verified} proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 300s; client_max_body_size 64m; client_body_buffer_size 256k; }`;
  const process = await startNginx(join(folder, name), SUBJECT_CORE, port, location, `upstream origin { server 127.0.0.1:${origin.port}; keepalive 256; }`);
  return { name: 'nginx', url: `http://127.0.0.1:${port}`, process };
}

async function startNginx(folder: string, core: string, port: number, location: string, upstream = '', listen = ''): Promise<Program['process']> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 10000000; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
${upstream}
server { listen 127.0.0.1:${port} ${listen} backlog=4096; ${location} } }
`,
  );
  const { child, output } = startOn(core, 'nginx', ['-c', file, '-p', folder, '-e', 'stderr']);
  await untilOpen(port, child, output);
  return child;
}

/** A forwarder on the gateway's own runtime that does nothing else. */
export async function startBareForwarder(upstream: string, tls: Certificate | null = null): Promise<Program> {
  const port = await freePort();
  const { child, output } = startOn(SUBJECT_CORE, process.execPath, [join(dist, 'test/bench/bare.js'), String(port), upstream], trusting(tls));
  await untilOpen(port, child, output);
  return { name: 'bare', url: `http://127.0.0.1:${port}`, process: child };
}

/** The gateway as it is shipped: keys demanded, a budget to hold against, limits to count against, every call in the ledger. */
export async function startGateway(folder: string, name: string, upstream: string, key: string, tls: Certificate | null = null): Promise<Program & { readonly adminUrl: string }> {
  const home = join(folder, name);
  mkdirSync(home, { recursive: true });
  const [port, adminPort] = [await freePort(), await freePort()];
  writeFileSync(
    join(home, 'tollgate.yaml'),
    `listen: 127.0.0.1:${port}
admin: { listen: 127.0.0.1:${adminPort} }
access: keys
upstream: { origin: "${upstream}", keys: { default: sk-ant-bench-upstream-key } }
prices: { file: ${join(dist, '../config/prices.yaml')} }
workspaces:
  - id: bench
    models: { allow: ["claude-*"] }
    limits: { requests_per_minute: 100000000, input_tokens_per_minute: 900000000, output_tokens_per_minute: 900000000, concurrent: 5000 }
    workflows: [{ id: load }]
keys: [{ id: bench, workspace: bench, workflow: load, secret: "${key}" }]
budgets: [{ id: bench, scope: { workspace: bench }, limit_usd: 100000000, period: month, mode: hard }]
max_in_flight: 10000
`,
  );
  const { child, output } = startOn(SUBJECT_CORE, process.execPath, [join(dist, '../server/tollgate.mjs'), 'serve', '--config', join(home, 'tollgate.yaml'), '--data-dir', join(home, 'data')], trusting(tls));
  await untilOpen(port, child, output);
  return { name: 'tollgate', url: `http://127.0.0.1:${port}`, adminUrl: `http://127.0.0.1:${adminPort}`, process: child };
}
