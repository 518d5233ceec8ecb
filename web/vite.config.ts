// web/vite.config.ts: builds the dashboard into dist/web. Nothing is inlined, so that the page runs under a strict content security policy.

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // A proxy may serve the dashboard under its own host, never under a sub-path: links are absolute.
  base: '/',
  build: {
    outDir: fileURLToPath(new URL('../dist/web', import.meta.url)),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    rollupOptions: {
      output: {
        // The chart library changes seldom: in its own file it stays in the browser's cache over our releases.
        manualChunks: (id: string) => (id.includes('node_modules') && /chart\.js|@kurkle/.test(id) ? 'charts' : undefined),
      },
    },
  },
});
