// server/admit/sessions.ts: which sessions run on cheaper models. It is decided when a session begins, and never again.

import type { Caller } from '../domain/call.ts';

/** Past this many the session not heard of for the longest is forgotten; the ledger still knows it. */
const MOST_SESSIONS = 50_000;

/** What a session is called with: what it asks for, cheaper models, or what it asks for while it is written down that it would be cheaper ones. */
export type Course = 'asked' | 'cheaper' | 'rehearsed';

/** A session belongs to one workflow: the same name elsewhere is another one. */
export class Sessions {
  /** The one heard of last stands last. */
  readonly #courses = new Map<string, Course>();

  knows(caller: Caller): boolean {
    return this.#courses.has(nameOf(caller));
  }

  remember(caller: Caller, course: Course): void {
    const name = nameOf(caller);
    this.#courses.delete(name);
    this.#courses.set(name, course);
    if (this.#courses.size > MOST_SESSIONS) this.#courses.delete(this.#courses.keys().next().value!);
  }

  /**
   * The course of a call's session.
   * @param continues the call goes on with a conversation; of a session that nobody knows, that is not its beginning
   * @param ofNew the course of a session that begins now
   */
  courseOf(caller: Caller, continues: boolean, ofNew: () => Course): Course {
    const course = this.#courses.get(nameOf(caller)) ?? (continues ? 'asked' : ofNew());
    this.remember(caller, course);
    return course;
  }
}

const nameOf = ({ workspace, workflow, session }: Caller): string => `${workspace}/${workflow} ${session}`;
