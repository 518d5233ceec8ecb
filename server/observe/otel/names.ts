// server/observe/otel/names.ts: the attributes, metrics and buckets of OpenTelemetry's conventions for generative AI, as far as we tell them.
//
// Written out, since the package that lists them is a megabyte to load; a test compares them with it. The conventions are still in
// development: https://github.com/open-telemetry/semantic-conventions-genai, read in November 2026.

export const ATTRIBUTES = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  conversation: 'gen_ai.conversation.id',
  requestModel: 'gen_ai.request.model',
  requestStream: 'gen_ai.request.stream',
  responseId: 'gen_ai.response.id',
  responseModel: 'gen_ai.response.model',
  finishReasons: 'gen_ai.response.finish_reasons',
  timeToFirstChunk: 'gen_ai.response.time_to_first_chunk',
  /** All tokens of the prompt: read from the cache, written to it, and neither. */
  inputTokens: 'gen_ai.usage.input_tokens',
  cacheReadTokens: 'gen_ai.usage.cache_read.input_tokens',
  cacheCreationTokens: 'gen_ai.usage.cache_creation.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  tokenType: 'gen_ai.token.type',
  errorType: 'error.type',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  status: 'http.response.status_code',
  resendCount: 'http.request.resend_count',
} as const;

/** Of our own; in no convention. */
export const OWN = {
  requestId: 'tollgate.request_id',
  workspace: 'tollgate.workspace',
  workflow: 'tollgate.workflow',
  /** The public name of the key. */
  key: 'tollgate.key',
  endpoint: 'tollgate.endpoint',
  outcome: 'tollgate.outcome',
  refusal: 'tollgate.refusal',
  rule: 'tollgate.rule',
  modelRequested: 'tollgate.model_requested',
  /** US dollars as a double; the ledger has the exact amount. */
  cost: 'tollgate.cost_usd',
  estimated: 'tollgate.cost_estimated',
  attempts: 'tollgate.attempts',
  attempt: 'tollgate.attempt',
  failover: 'tollgate.failover',
  upstreamRequestId: 'tollgate.upstream_request_id',
} as const;

export const EVENTS = { firstToken: 'tollgate.first_token', refused: 'tollgate.refused' } as const;

const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92] as const;
const FIRST = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const;

/** Histograms; `buckets` are upper bounds, ascending, as the conventions advise. */
export const INSTRUMENTS = {
  tokens: { name: 'gen_ai.client.token.usage', unit: '{token}', description: 'Number of input and output tokens used.', buckets: [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864] },
  duration: { name: 'gen_ai.client.operation.duration', unit: 's', description: 'GenAI operation duration.', buckets: SECONDS },
  timeToFirstChunk: { name: 'gen_ai.client.operation.time_to_first_chunk', unit: 's', description: 'Time to receive the first chunk, from the arrival of the call.', buckets: SECONDS },
  timeToFirstToken: { name: 'gen_ai.server.time_to_first_token', unit: 's', description: 'Time to generate first token for successful responses, from the attempt that was answered.', buckets: FIRST },
} as const;
