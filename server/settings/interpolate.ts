// server/settings/interpolate.ts: `${NAME}` and `${NAME:-default}` in the texts of the config.

export type Env = Readonly<Record<string, string | undefined>>;

export interface Filled {
  readonly text: string;
  /** True when a variable was named, whether or not it was set: such a text is shown in no message. */
  readonly used: boolean;
  readonly mistakes: readonly { readonly written: string; readonly what: string; readonly expected: string }[];
}

const FORM = '`${NAME}` or `${NAME:-default}`; a `${` that means itself is written `$${`';
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(:-([\s\S]*))?$/;

/**
 * Fills the environment in, once: what comes out of a variable is not read for variables again. As in a shell, `:-` also
 * stands in for a variable that is set and empty. `$${` is a literal `${`.
 */
export function interpolate(text: string, env: Env): Filled {
  const mistakes: { written: string; what: string; expected: string }[] = [];
  let used = false;
  const filled = text.replace(/\$\$\{|\$\{([^}]*)\}|\$\{/g, (written: string, inside: string | undefined) => {
    if (written === '$${') return '${';
    used = true;
    const match = inside === undefined ? null : VARIABLE.exec(inside);
    if (!match) {
      mistakes.push({ written, what: inside === undefined ? 'a `${` is not closed' : 'this is not the name of a variable', expected: FORM });
      return '';
    }
    const [, name, hasDefault, standIn] = match;
    const value = Object.hasOwn(env, name!) ? env[name!] : undefined;
    if (hasDefault !== undefined) return value === undefined || value === '' ? (standIn ?? '') : value;
    if (value !== undefined) return value;
    mistakes.push({ written, what: `the environment has no variable ${name}`, expected: `it to be set, or a default: \${${name}:-…}` });
    return '';
  });
  return { text: filled, used, mistakes };
}
