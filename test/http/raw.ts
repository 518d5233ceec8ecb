// test/http/raw.ts: bytes on a socket, as no HTTP client would send them, and what comes back.

import { connect } from 'node:net';

export interface Heard {
  readonly text: string;
  /** Status codes of the answers, in order. */
  readonly statuses: readonly number[];
  /** Whether the other side closed the connection in time. */
  readonly closed: boolean;
}

/** Writes `bytes`, and what `next` has once what came `ends` so, and listens until the other side closes, or `until` has enough answers, or `waitMs` have passed, which is patience for a busy machine: nothing that is as it should be waits that long. */
export function say(url: string, bytes: string | Buffer, { answers = Infinity, waitMs = 10_000, next }: { answers?: number; waitMs?: number; next?: { ends: RegExp; bytes: string } } = {}): Promise<Heard> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes));
    const text = (): string => Buffer.concat(chunks).toString('latin1');
    const statuses = (): number[] => [...text().matchAll(/HTTP\/1\.[01] (\d{3})/g)].map((match) => Number(match[1]));
    const finish = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text: text(), statuses: statuses(), closed });
    };
    const timer = setTimeout(() => finish(false), waitMs);
    let waiting = next;
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (waiting?.ends.test(text())) {
        socket.write(waiting.bytes);
        waiting = undefined;
      }
      if (statuses().filter((status) => status >= 200).length >= answers && text().includes('\r\n\r\n')) setTimeout(() => finish(false), 30);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => finish(true));
  });
}

export const BODY = '{"model":"claude-haiku-4-5","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}';

/** A well-formed call, with parts of it replaced. */
export function message(change: { line?: string; host?: string | null; headers?: readonly string[]; length?: string | null; body?: string } = {}): string {
  const body = change.body ?? BODY;
  const lines = [change.line ?? 'POST /v1/messages HTTP/1.1'];
  if (change.host !== null) lines.push(`Host: ${change.host ?? 'gateway'}`);
  lines.push('x-api-key: sk-ant-client', 'anthropic-version: 2023-06-01', 'content-type: application/json', ...(change.headers ?? []));
  if (change.length !== null) lines.push(`Content-Length: ${change.length ?? Buffer.byteLength(body)}`);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
