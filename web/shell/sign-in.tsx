// web/shell/sign-in.tsx: asks for the admin token; the server trades it for a cookie that scripts cannot read.

import { useState } from 'preact/hooks';
import { Failure, signIn } from '../server.ts';

export function SignIn() {
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await signIn(token);
    } catch (cause) {
      setProblem(cause instanceof Failure && cause.status === 401 ? 'That is not the admin token.' : cause instanceof Failure ? cause.message : 'The sign-in did not work.');
      setBusy(false);
    }
  };
  return (
    <main class="sign-in">
      <form onSubmit={submit} class="panel">
        <img src="/icon.svg" alt="" width="40" height="40" />
        <h1>Sign in to Tollgate</h1>
        <label for="token">Admin token</label>
        <input id="token" type="password" autocomplete="current-password" required value={token} onInput={(event) => setToken(event.currentTarget.value)} aria-describedby="token-hint" aria-invalid={problem !== null} />
        <p id="token-hint" class="muted">The value of <code>admin.token</code> in the configuration, usually from <code>TOLLGATE_ADMIN_TOKEN</code>.</p>
        {problem && <p class="problem" role="alert">{problem}</p>}
        <button type="submit" class="primary" disabled={busy}>{busy ? 'Signing in…' : 'Sign in'}</button>
      </form>
    </main>
  );
}
