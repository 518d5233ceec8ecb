// server/identify/trace-id.ts: which trace of its caller a call belongs to, from the header of W3C Trace Context.

/** version "-" trace id "-" parent id "-" flags, and what later versions may add. Source: https://www.w3.org/TR/trace-context/#traceparent-header */
const TRACEPARENT = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}(-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_PARENT = '0'.repeat(16);

/** 32 hexadecimal digits in lower case; null where the header is missing, repeated or none. @param header as Node has it */
export function traceIdOf(header: string | readonly string[] | undefined): string | null {
  const match = typeof header === 'string' ? TRACEPARENT.exec(header) : null;
  if (match === null) return null;
  const [, version, trace, parent, more] = match;
  const isOne = version !== 'ff' && (version !== '00' || more === undefined) && trace !== NO_TRACE && parent !== NO_PARENT;
  return isOne ? trace! : null;
}
