// server/price/prices-schema.ts: the schemas of prices.yaml and of contract prices for editors, from the same source as the checks.

import { z } from 'zod';
import { CONTRACT_SCHEMA, PRICES_SCHEMA } from './load-book.ts';

/** JSON Schema, draft 7, as text for config/prices.schema.json. */
export const pricesSchemaText = (): string => schemaText('Tollgate price book', PRICES_SCHEMA);

/** The same for config/contract.schema.json. */
export const contractSchemaText = (): string => schemaText('Tollgate contract prices', CONTRACT_SCHEMA);

function schemaText(title: string, schema: z.ZodType): string {
  const { $schema, ...rest } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
  return `${JSON.stringify({ $schema, title, ...rest }, null, 2)}\n`;
}
