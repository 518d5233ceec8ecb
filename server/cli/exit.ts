// server/cli/exit.ts: how a command ends when it does not end well.

/** Documented in `tollgate --help`. */
export const EXIT = {
  ok: 0,
  /** The config has mistakes, or the gateway said no. */
  refused: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The gateway does not answer. */
  unreachable: 3,
} as const;

/** Ends the command with a message for a person, and no stack. */
export class CommandError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.refused) {
    super(message);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}
