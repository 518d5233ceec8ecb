// test/browser/chromium.ts: starts the Chromium that comes with the tests' own packages; no system browser, no system library is needed.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';

const scratch = fileURLToPath(new URL('../../.cache/tmp', import.meta.url));

/** Works with the package, which unpacks itself to a fixed name in the temporary folder and silently takes what lies there: in a folder of ours only ours does. */
async function inScratch<T>(work: () => Promise<T>): Promise<T> {
  mkdirSync(scratch, { recursive: true });
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = scratch;
  // Makes it unpack the system libraries it brings along. It is read on import, hence the imports inside of `work`.
  process.env['AWS_EXECUTION_ENV'] ??= 'AWS_Lambda_nodejs22.x';
  try {
    return await work();
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
}

/**
 * Unpacks the browser into `.cache/tmp` of the project, where it is not yet. To be done before two processes start it at once, one of
 * which would find the other's program half written.
 * @throws where the package has no build for this machine: it is made for Linux on x64
 */
export const unpackChromium = (): Promise<string> =>
  inScratch(async () => {
    const { default: bundled } = await import('@sparticuz/chromium');
    return bundled.executablePath();
  });

/** Starts a browser; the caller closes it. @throws as `unpackChromium` */
export async function launchChromium(): Promise<Browser> {
  const executablePath = await unpackChromium();
  // Its own font configuration looks in /tmp/fonts alone, and the package puts its fonts where it unpacks itself. Without any font, text is not drawn and a <select> crashes the page.
  const fonts = join(scratch, 'fonts.conf');
  writeFileSync(fonts, `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${join(scratch, 'fonts')}</dir><dir>/usr/share/fonts</dir><cachedir>${join(scratch, 'fonts-cache')}</cachedir></fontconfig>\n`);
  return inScratch(async () => {
    const { chromium } = await import('playwright-core');
    return chromium.launch({
      executablePath,
      // Its own flags switch web security off and run everything in one process; these leave a browser as people have it.
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-dev-shm-usage'],
      env: { ...process.env, FONTCONFIG_FILE: fonts } as Record<string, string>,
    });
  });
}
