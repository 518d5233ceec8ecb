// server/batch/lines.ts: cuts a stream of bytes into lines, holding one line at a time.

const LINE_FEED = 0x0a;
/** No message comes near this: the longest output there is has some megabytes. */
const LONGEST_LINE_BYTES = 64 * 1024 * 1024;

/** Lines without their line feed, empty ones left out; the last one need not have a line feed. @throws RangeError for a line without end */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let begun: Buffer[] = [];
  let begunBytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let feed = chunk.indexOf(LINE_FEED); feed >= 0; feed = chunk.indexOf(LINE_FEED, from)) {
      const end = chunk.subarray(from, feed);
      from = feed + 1;
      const line = begun.length === 0 ? end : Buffer.concat([...begun, end]);
      begun = [];
      begunBytes = 0;
      if (line.length > 0) yield line;
    }
    if (from === chunk.length) continue;
    begun.push(chunk.subarray(from));
    begunBytes += chunk.length - from;
    if (begunBytes > LONGEST_LINE_BYTES) throw new RangeError('a line of the results has no end');
  }
  if (begunBytes > 0) yield Buffer.concat(begun);
}
