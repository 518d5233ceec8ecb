// server/admit/sessions.ts: which sessions run on cheaper models. It is decided when a session begins, and never again.

import type { Caller } from '../domain/call.ts';

/** Past this many the session not heard of for the longest is forgotten; the ledger still knows it. */
const MOST_SESSIONS = 50_000;

/** A session belongs to one workflow: the same name elsewhere is another one. */
export class Sessions {
  /** True: on cheaper models. The one heard of last stands last. */
  readonly #cheaper = new Map<string, boolean>();

  knows(caller: Caller): boolean {
    return this.#cheaper.has(nameOf(caller));
  }

  remember(caller: Caller, cheaper: boolean): void {
    const name = nameOf(caller);
    this.#cheaper.delete(name);
    this.#cheaper.set(name, cheaper);
    if (this.#cheaper.size > MOST_SESSIONS) this.#cheaper.delete(this.#cheaper.keys().next().value!);
  }

  /**
   * Whether a call's session runs on cheaper models.
   * @param continues the call goes on with a conversation; of a session that nobody knows, that is not its beginning
   * @param due whether a session that begins now does
   */
  isCheaper(caller: Caller, continues: boolean, due: () => boolean): boolean {
    const cheaper = this.#cheaper.get(nameOf(caller)) ?? (!continues && due());
    this.remember(caller, cheaper);
    return cheaper;
  }
}

const nameOf = ({ workspace, workflow, session }: Caller): string => `${workspace}/${workflow} ${session}`;
