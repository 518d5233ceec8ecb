// web/public/theme.js: sets the chosen theme before the first paint, so that a dark page never flashes white. Runs blocking, in the head.
(() => {
  let choice = 'system';
  try {
    choice = localStorage.getItem('tollgate.theme') ?? 'system';
  } catch {
    // Storage is switched off: the system's own choice stands.
  }
  const dark = choice === 'dark' || (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();
