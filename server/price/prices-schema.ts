// server/price/prices-schema.ts: the schema of prices.yaml for editors, from the same source as the checks.

import { z } from 'zod';
import { PRICES_SCHEMA } from './load-book.ts';

/** JSON Schema, draft 7, as text for config/prices.schema.json. */
export function pricesSchemaText(): string {
  const { $schema, ...rest } = z.toJSONSchema(PRICES_SCHEMA, { target: 'draft-7', io: 'input' });
  return `${JSON.stringify({ $schema, title: 'Tollgate price book', ...rest }, null, 2)}\n`;
}
