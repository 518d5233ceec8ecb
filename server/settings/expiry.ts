// server/settings/expiry.ts: checks the times at which declared keys end.

import { isZone } from '../domain/calendar.ts';
import { expiryOf } from './build.ts';
import { Cursor } from './cursor.ts';
import type { ConfigDocument } from './document.ts';
import { shown } from './issues.ts';
import type { Mistake } from './mistakes.ts';

export function expiryMistakes(document: ConfigDocument): Mistake[] {
  const config = Cursor.root(document);
  const zone = config.field('timezone').text() ?? 'UTC';
  return config.list('keys').flatMap((key) => {
    const field = key.field('expires');
    const text = field.text();
    // Whether a day exists does not depend on a zone that is itself a mistake.
    if (text === null || text.trim() === '' || expiryOf(text, isZone(zone) ? zone : 'UTC') !== null) return [];
    return [document.mistake(field.path, `${shown(text, field.path, document)} is no time`, 'a day such as 2027-01-31, or an instant such as 2027-01-31T18:00:00Z')];
  });
}
