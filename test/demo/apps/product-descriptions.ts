// test/demo/apps/product-descriptions.ts: an example app: writes a shop text for every product of a catalogue with Claude Sonnet 4.6.
//
//   ANTHROPIC_BASE_URL=http://127.0.0.1:4100 ANTHROPIC_API_KEY=<a Tollgate key> node dist/test/demo/apps/product-descriptions.js [catalogue.json]
//
// A catalogue is a list of products in JSON, the texts come out as one JSON line each.

import { readFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';

interface Product {
  readonly sku: string;
  readonly name: string;
  readonly price: string;
  readonly facts: readonly string[];
}

// The built program runs from dist; its data stays beside the source.
const catalogue = process.argv[2] ?? new URL('../../../../test/demo/apps/catalogue.json', import.meta.url);
const products = JSON.parse(readFileSync(catalogue, 'utf8')) as Product[];

const client = new Anthropic();
let total = 0;

for (const product of products) {
  const { data: message, response } = await client.messages
    .create(
      {
        model: 'claude-sonnet-4-6',
        max_tokens: 600,
        system: 'You write for the shop of a small lamp maker: warm, exact, no superlatives. 80 to 120 words, no heading.',
        messages: [{ role: 'user', content: `${product.name} (${product.price})\n${product.facts.map((fact) => `- ${fact}`).join('\n')}` }],
      },
      // One product may take several calls one day; an action keeps them together in reports.
      { headers: { 'x-tollgate-action': product.sku, 'x-tollgate-priority': 'background' } },
    )
    .withResponse();
  const text = message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  const cost = Number(response.headers.get('x-tollgate-cost-usd') ?? 0);
  total += cost;
  console.log(JSON.stringify({ sku: product.sku, text, cost_usd: cost }));
}
if (total > 0) console.error(`${products.length} texts for $${total.toFixed(4)}`);
