// server/store/sqlite/names.ts: small integers for the names that rows and roll-ups repeat.

import type { Database } from 'better-sqlite3';
import { NO_NAME } from './migrations.ts';

const REMEMBERED = 50_000;
/** Models that only refused calls named are the client's own text; past this many they are filed under none. */
const MODELS_AT_MOST = 512;

export interface Names {
  /** The id of a name, given to it if it is new; null and '' are 0. Call it inside a transaction. */
  id(text: string | null): number;
  /** The same for a model that a client asked for and did not get: 0 once there are too many models to give a new one an id. */
  refusedModel(text: string | null): number;
  /** Notes that a model is in real use. */
  model(text: string | null): number;
  /** Null for a name that no row has. */
  find(text: string): number | null;
  /** After a rollback: what was given out may not exist. */
  forget(): void;
}

export function namesOf(db: Database): Names {
  const select = db.prepare<[string], number>('SELECT id FROM name WHERE text = ?').pluck();
  const insert = db.prepare<[string]>('INSERT INTO name (text) VALUES (?)');
  const selectModels = db.prepare<[], string>('SELECT text FROM name WHERE id IN (SELECT model FROM rollup WHERE grain = 2 UNION SELECT model_sent FROM rollup WHERE grain = 2)').pluck();
  let known = new Map<string, number>();
  let models = new Set(selectModels.all());

  const id = (text: string | null): number => {
    if (text === null || text === '') return NO_NAME;
    let found = known.get(text);
    if (found === undefined) {
      found = select.get(text) ?? Number(insert.run(text).lastInsertRowid);
      if (known.size >= REMEMBERED) known = new Map();
      known.set(text, found);
    }
    return found;
  };
  const model = (text: string | null): number => {
    if (text !== null) models.add(text);
    return id(text);
  };
  return {
    id,
    model,
    refusedModel: (text) => (text !== null && (models.has(text) || models.size < MODELS_AT_MOST) ? model(text) : NO_NAME),
    find: (text) => select.get(text) ?? null,
    forget: () => {
      known = new Map();
      models = new Set(selectModels.all());
    },
  };
}
