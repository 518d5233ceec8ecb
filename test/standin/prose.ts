// test/standin/prose.ts: text that reads like an answer, of any length, from a seed.

import type { Chance } from './chance.ts';

const subjects = ['The customer', 'Your order', 'The invoice', 'This change', 'The second option', 'The schedule', 'Our warehouse', 'The draft', 'A short summary', 'The service', 'The new lamp', 'The review', 'Der Bericht', 'La commande'];
const verbs = ['arrives', 'needs', 'explains', 'covers', 'replaces', 'confirms', 'improves on', 'depends on', 'follows', 'supports', 'simplifies', 'includes'];
const objects = ['the first step', 'a clear deadline', 'two further questions', 'the refund you asked for', 'everything in one place', 'the older process', 'a quieter motor', 'the details below', 'a warm, even light', 'solid oak and brass', 'the figures for March', 'a second pair of eyes', 'the café’s opening hours', 'naïve assumptions'];
const endings = ['', '', ', and nothing else has to change', ', which keeps it simple', '; the rest can wait until Monday', ' without extra cost', ', as agreed last week', ' – a small but useful step', ' for most people', ' in about ten minutes'];

/** Sentences until `bytes` of UTF-8 are reached; may run past by less than one sentence. */
export function prose(chance: Chance, bytes: number): string {
  let text = '';
  let length = 0;
  for (let sentence = 0; length < bytes; sentence += 1) {
    const gap = sentence === 0 ? '' : sentence % 5 === 0 ? '\n\n' : ' ';
    const next = `${gap}${chance.pick(subjects)} ${chance.pick(verbs)} ${chance.pick(objects)}${chance.pick(endings)}.`;
    text += next;
    length += Buffer.byteLength(next);
  }
  return text;
}

/** The longest beginning of `text` that fits into `bytes` of UTF-8 and ends between two characters. */
export function cutToBytes(text: string, bytes: number): string {
  const all = Buffer.from(text);
  if (all.length <= bytes) return text;
  let end = Math.max(0, bytes);
  while (end > 0 && ((all[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return all.toString('utf8', 0, end);
}

/** Cuts text into pieces of a few words, as deltas of a stream carry them; the pieces add up to the text. */
export function pieces(text: string, chance: Chance, size = 18): string[] {
  const out: string[] = [];
  const characters = Array.from(text);
  for (let at = 0; at < characters.length; ) {
    const length = chance.int(Math.max(1, Math.floor(size / 3)), size + Math.floor(size / 2));
    out.push(characters.slice(at, at + length).join(''));
    at += length;
  }
  return out;
}
