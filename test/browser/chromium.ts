// test/browser/chromium.ts: starts the Chromium that comes with the tests' own packages; no system browser, no system library is needed.

import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';

/**
 * Starts a browser; the caller closes it. The package unpacks itself into `.cache/tmp` of the project, once.
 * @throws where the package has no build for this machine: it is made for Linux on x64
 */
export async function launchChromium(): Promise<Browser> {
  const scratch = fileURLToPath(new URL('../../.cache/tmp', import.meta.url));
  mkdirSync(scratch, { recursive: true });
  const before = process.env['TMPDIR'];
  // It unpacks to a fixed name in the temporary folder and silently takes what lies there; in a folder of ours only ours does.
  process.env['TMPDIR'] = scratch;
  // Makes it unpack the system libraries it brings along. It is read on import, hence the imports below.
  process.env['AWS_EXECUTION_ENV'] ??= 'AWS_Lambda_nodejs22.x';
  // Its own font configuration looks in /tmp/fonts alone. Without any font, text is not drawn and a <select> crashes the page.
  const fonts = join(scratch, 'fonts.conf');
  writeFileSync(fonts, `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${join(tmpdir(), 'fonts')}</dir><dir>/usr/share/fonts</dir><cachedir>${join(scratch, 'fonts-cache')}</cachedir></fontconfig>\n`);
  try {
    const { default: bundled } = await import('@sparticuz/chromium');
    const { chromium } = await import('playwright-core');
    return await chromium.launch({
      executablePath: await bundled.executablePath(),
      // Its own flags switch web security off and run everything in one process; these leave a browser as people have it.
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-dev-shm-usage'],
      env: { ...process.env, FONTCONFIG_FILE: fonts } as Record<string, string>,
    });
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
}
