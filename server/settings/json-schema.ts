// server/settings/json-schema.ts: the schema of tollgate.yaml for editors, from the same source as the checks.

import { z } from 'zod';
import { configSchema } from './schema.ts';

/** A text with a variable in it: an editor sees the file before the environment is filled in. */
const VARIABLE = { type: 'string', pattern: '\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}' };

/**
 * JSON Schema, draft 7, as text for config/tollgate.schema.json. After a change of the schema and a build:
 * `node -e "import('./dist/server/settings/json-schema.js').then((it) => process.stdout.write(it.jsonSchemaText()))" > config/tollgate.schema.json`
 */
export function jsonSchemaText(): string {
  const generated = z.toJSONSchema(configSchema, { target: 'draft-7', io: 'input' });
  const { $schema, ...rest } = generated;
  const schema = { $schema, title: 'Tollgate config', ...(withVariables(rest) as object) };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** Lets a variable stand wherever the schema asks for a single value of a certain form. */
function withVariables(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withVariables);
  if (typeof node !== 'object' || node === null) return node;
  const fields = Object.fromEntries(Object.entries(node).map(([name, value]) => [name, KEPT.has(name) ? value : withVariables(value)]));
  if (!isConstrainedScalar(fields)) return fields;
  const { description, default: standard, ...constraint } = fields;
  const notes = { ...(description === undefined ? {} : { description }), ...(standard === undefined ? {} : { default: standard }) };
  return { ...notes, anyOf: [...(Array.isArray(constraint.anyOf) ? (constraint.anyOf as unknown[]) : [constraint]), VARIABLE] };
}

/** Names of mappings cannot be variables, and a default is no schema. */
const KEPT = new Set(['propertyNames', 'default', 'enum', 'required']);

function isConstrainedScalar(node: Record<string, unknown>): boolean {
  if (Array.isArray(node.anyOf)) return false;
  if ('const' in node) return false;
  return 'enum' in node || 'pattern' in node || ['integer', 'number', 'boolean'].includes(String(node.type));
}
