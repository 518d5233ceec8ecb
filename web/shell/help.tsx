// web/shell/help.tsx: the keys, and the switch that turns them off.

import { Dialog } from './dialog.tsx';
import { helpOpen, KEYS, keysOn, switchKeys } from './keyboard.ts';

export function Help() {
  if (!helpOpen.value) return null;
  return (
    <Dialog title="Keyboard" onClose={() => (helpOpen.value = false)}>
      <dl class="keys">
        {KEYS.map(([keys, does]) => (
          <div key={keys}>
            <dt>{keys.split(/\s+/).map((one) => <kbd key={one}>{one}</kbd>)}</dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label class="switch">
        <input type="checkbox" checked={keysOn.value} onChange={(event) => switchKeys(event.currentTarget.checked)} />
        Single-key shortcuts
      </label>
      <p class="muted">On a chart, the arrow keys read the bars one by one and Enter opens the requests behind one.</p>
    </Dialog>
  );
}
