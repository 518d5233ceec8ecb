// server/price/load-files.ts: the price book from its files: list prices, and contract prices beside them.

import type { PriceBook } from './book.ts';
import { loadPriceBook, type PriceText } from './load-book.ts';

/**
 * The book that a config names, or everything that is wrong with its files, a line each.
 * @param read the text of a file; throws where it cannot be read
 */
export function loadBook({ file, contract }: { readonly file: string; readonly contract: string | null }, read: (file: string) => string): { ok: true; book: PriceBook } | { ok: false; message: string } {
  let texts: [PriceText, PriceText | null];
  let reading = file;
  try {
    const text = read(file);
    texts = [{ text, fileName: file }, contract === null ? null : { text: read((reading = contract)), fileName: contract }];
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    return { ok: false, message: `The price file ${reading} cannot be read (${code}). \`prices.${reading === file ? 'file' : 'contract'}\` in the config names it.` };
  }
  const loaded = loadPriceBook(texts[0].text, texts[0].fileName, texts[1]);
  if (loaded.ok) return loaded;
  return { ok: false, message: loaded.mistakes.map((m) => `${m.file}:${m.line}:${m.column}: ${m.path === '' ? '' : `${m.path}: `}${m.message}`).join('\n') };
}
