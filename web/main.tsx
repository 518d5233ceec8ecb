// web/main.tsx: puts the dashboard on the page.

import { render } from 'preact';
import { startLive } from './live.ts';
import { App } from './shell/app.tsx';
import { listenForKeys } from './shell/keyboard.ts';
import { listenForPrint } from './shell/print.ts';

render(<App />, document.getElementById('app')!);
listenForKeys();
listenForPrint();
startLive();
