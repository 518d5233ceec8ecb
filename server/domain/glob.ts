// server/domain/glob.ts: wildcards that take linear time, whatever the pattern.

/**
 * `*` is any run of characters, `?` any one, everything else itself; anchored at both ends. Only the last `*` is ever tried
 * again, so the work is at most pattern × text and no pattern is slow.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let starText = 0;
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      starText = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star !== -1) {
      p = star + 1;
      t = ++starText;
    } else return false;
  }
  while (p < pattern.length && pattern[p] === '*') p++;
  return p === pattern.length;
}
