// server/store/sqlite/refusal.ts: why a ledger would not open, for the operator.

/** `held`: another process has it open. */
export type LedgerRefusalCode = 'corrupt' | 'foreign' | 'newer' | 'read_only' | 'held' | 'unusable';

/** The ledger was not opened and its file was not changed. The message is a sentence for the operator that says what to do. */
export class LedgerRefused extends Error {
  override readonly name = 'LedgerRefused';
  readonly code: LedgerRefusalCode;
  constructor(code: LedgerRefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What SQLite's own error means for a start; null for one that is none of SQLite's. */
export function refusalOf(error: unknown, file: string): LedgerRefused | null {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code !== 'string') return null;
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return corrupt(file, String(message));
  if (/^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)|^(EACCES|EROFS|EPERM)$/.test(code)) return readOnly(file, code);
  if (code.startsWith('SQLITE_BUSY')) return new LedgerRefused('held', `${file} is in use by another program; end that program first.`);
  if (/^(SQLITE_|E[A-Z]+$)/.test(code)) return new LedgerRefused('unusable', `${file} could not be opened: ${String(message).replace(/^E[A-Z]+: /, '')} (${code}).`);
  return null;
}

export const corrupt = (file: string, finding: string): LedgerRefused =>
  new LedgerRefused('corrupt', `${file} is damaged (${finding}). It was left as it is. Move it away and put a backup in its place, or recover its rows with: sqlite3 ${file} .recover`);

export const readOnly = (file: string, code: string): LedgerRefused =>
  new LedgerRefused('read_only', `${file} or its directory cannot be written (${code}); give both to the user that runs the gateway.`);
