// web/parts/csv.ts: a table of a page as a CSV file (RFC 4180), made from the very rows on screen, and written as the server writes its own exports.

/** A bigint is an amount in nano-dollars; null stays empty. */
export type CsvCell = string | number | bigint | null;

/** All nine places: `-0.000400000`. */
function dollars(amount: bigint): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(10, '0');
  return `${amount < 0n ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

/** What a spreadsheet would run as a formula, or skips and sees one behind it. */
const FORMULA = /^[=+\-@\t\r\n\0\uFF1D\uFF0B\uFF0D\uFF20]/;

function written(cell: CsvCell): string {
  if (cell === null) return '';
  if (typeof cell === 'bigint') return dollars(cell);
  // A figure of ours may begin with a minus; text may not.
  const text = typeof cell === 'number' ? String(cell) : FORMULA.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param columns by the file's own names of them, in order */
export function csvOf<Row>(columns: Readonly<Record<string, (row: Row) => CsvCell>>, rows: readonly Row[]): string {
  const records = [Object.keys(columns), ...rows.map((row) => Object.values(columns).map((cell) => cell(row)))];
  return records.map((cells) => `${cells.map(written).join(',')}\r\n`).join('');
}

/** Hands a text to the browser as a file to keep. */
export function save(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser takes the file up after this turn.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
