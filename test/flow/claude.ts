// test/flow/claude.ts: Claude Code in print mode, as somebody would run it, with a home of its own.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const claude = fileURLToPath(new URL('../node_modules/@anthropic-ai/claude-code-linux-x64/claude', import.meta.url));

/** False on machines that its binary is not made for. */
export const hasClaude = existsSync(claude);

/** What it prints as JSON. */
export interface Told {
  readonly is_error: boolean;
  readonly result: string;
  readonly session_id: string;
}

/** @param env laid over what it needs; its retries and timeouts are its own unless told here */
export async function askClaude({ baseUrl, secret, model = 'claude-haiku-4-5', env = {} }: { baseUrl: string; secret: string; model?: string; env?: Record<string, string> }): Promise<Told> {
  const home = mkdtempSync(join(tmpdir(), 'tollgate-claude-'));
  try {
    const { error, stdout, stderr } = await new Promise<{ error: Error | null; stdout: string; stderr: string }>((resolve) => {
      const child = execFile(claude, ['-p', 'Say hello.', '--model', model, '--output-format', 'json'], {
        cwd: home,
        timeout: 100_000,
        env: { PATH: process.env['PATH'], HOME: home, ANTHROPIC_BASE_URL: baseUrl, ANTHROPIC_API_KEY: secret, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_TELEMETRY: '1', DISABLE_AUTOUPDATER: '1', ...env },
      }, (failed, out, err) => resolve({ error: failed, stdout: out, stderr: err }));
      child.stdin?.end();
    });
    // It ends with 1 after an answer that is an error, too.
    if (stdout === '') throw new Error(`Claude Code said nothing. ${stderr}`, { cause: error });
    return JSON.parse(stdout) as Told;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
