// test/house/lock.test.ts: the lock files name no download address, check every package, and hold every platform's optional packages.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly optionalDependencies?: Record<string, string>;
}

describe.each(['package-lock.json', 'test/package-lock.json'])('%s', (name) => {
  const text = readFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), 'utf8');
  const packages = Object.entries((JSON.parse(text) as { packages: Record<string, Locked> }).packages).filter(([path]) => path !== '');

  test('names no download address', () => {
    expect(text).not.toContain('"resolved"');
    expect(text.match(/https?:\/\/[^"]*\.tgz/g)).toBeNull();
  });

  test('has the digest of every package', () => {
    expect(packages.length).toBeGreaterThan(20);
    expect(packages.filter(([, p]) => !p.link && !p.integrity).map(([path]) => path)).toEqual([]);
  });

  test('holds every optional package of every package, so that npm ci works on any platform', () => {
    const names = new Set(packages.map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)));
    const missing = packages.flatMap(([path, p]) => Object.keys(p.optionalDependencies ?? {}).filter((n) => !names.has(n)).map((n) => `${path}: ${n}`));
    expect(missing).toEqual([]);
  });
});
