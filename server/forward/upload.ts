// server/forward/upload.ts: a request body that goes through unread, at the pace of the slower side.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { Transform, type Readable } from 'node:stream';

/** What the upstream side hears when the client's side of an upload broke. */
export class UploadCut extends Error {
  readonly code = 'UPLOAD_CUT';
}

/** What it hears when the upload grew past what its route takes. */
export class UploadTooLarge extends Error {
  readonly code = 'UPLOAD_TOO_LARGE';
}

/**
 * The body as a stream that the upstream side may destroy: a provider that answers before the upload has ended, with a 413 say, must not
 * take the client's connection with it, since the answer has to go back over it. A client that leaves, or sends what is no body, ends it
 * with an error, so that the provider never sees a complete request; so does a body that grows past the limit. Null where there is no body.
 */
export function uploadOf(request: IncomingMessage, reply: ServerResponse, limitBytes: number): Readable | null {
  if (request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined) return null;
  askForBody(request, reply);
  let bytes = 0;
  const through = new Transform({
    highWaterMark: 256 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > limitBytes) done(new UploadTooLarge('the upload is larger than its route takes'));
      else done(null, chunk);
    },
  });
  const onBreak = (): void => {
    if (!request.complete) through.destroy(new UploadCut('the upload was cut short'));
  };
  request.on('error', onBreak).on('close', onBreak);
  through.on('close', () => request.off('error', onBreak).off('close', onBreak).unpipe(through));
  // undici listens while it reads; between the two nobody would.
  through.on('error', () => undefined);
  return request.pipe(through);
}

/** The length of an upload where the client told it, so that the provider sees the same framing; as name and value. */
export function uploadLength(request: IncomingMessage): readonly string[] {
  const length = request.headers['content-length'];
  return length === undefined ? [] : ['content-length', length];
}

/** Some clients send a body only when told to (RFC 9110 section 10.1.1): to be called when somebody is about to read it. */
export function askForBody(request: IncomingMessage, reply: ServerResponse): void {
  if (request.headers.expect !== undefined) reply.writeContinue();
}
