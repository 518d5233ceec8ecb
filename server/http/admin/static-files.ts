// server/http/admin/static-files.ts: the built dashboard: hashed files for ever, its one page for every address of its own.

import { existsSync } from 'node:fs';
import { join, sep } from 'node:path';
import express, { type RequestHandler } from 'express';

const NOT_BUILT = 'The dashboard is not built. Run "npm run build", or "npm start", which builds it first. The admin API answers under /api.\n';

/** Files without secrets: whoever reaches the port may load them, and sees nothing before signing in. */
export function staticFiles(webDir: string): RequestHandler[] {
  const assets = join(webDir, 'assets') + sep;
  const page = join(webDir, 'index.html');
  const files = express.static(webDir, {
    index: false,
    redirect: false,
    dotfiles: 'ignore',
    setHeaders: (res, path) => void res.setHeader('cache-control', path.startsWith(assets) ? 'public, max-age=31536000, immutable' : 'no-cache'),
  });
  const fallback: RequestHandler = (req, res, next) => {
    // Addresses of the dashboard have no file ending; a file that is missing must not come back as a page.
    if ((req.method !== 'GET' && req.method !== 'HEAD') || /^\/api(?:\/|$)/.test(req.path) || /\.\w+$/.test(req.path)) return next();
    if (!existsSync(page)) return void res.status(503).type('text/plain').send(NOT_BUILT);
    res.setHeader('cache-control', 'no-cache');
    res.sendFile(page, { cacheControl: false });
  };
  return [files, fallback];
}
