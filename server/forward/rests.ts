// server/forward/rests.ts: which places are not to be asked for a while, because they just said so or could not be reached.

/** Models are what clients write: past this many, those whose rest is over go, then the oldest. */
const MOST_PER_PLACE = 100;

/** A rest for all models. */
const WHOLE = '*';

/** Times in milliseconds on one monotonic clock. */
export class Rests {
  /** By origin or by provider key. */
  readonly #byPlace = new Map<string, Map<string, number>>();

  /** @param model null: all of them */
  rest(place: string, model: string | null, until: number, now: number): void {
    let models = this.#byPlace.get(place);
    if (models === undefined) this.#byPlace.set(place, (models = new Map()));
    const name = model ?? WHOLE;
    models.set(name, Math.max(models.get(name) ?? 0, until));
    if (models.size <= MOST_PER_PLACE) return;
    for (const [known, at] of models) if (at <= now) models.delete(known);
    if (models.size > MOST_PER_PLACE) models.delete(models.keys().next().value!);
  }

  /** 0 when it does not rest. */
  until(place: string, model: string | null): number {
    const models = this.#byPlace.get(place);
    if (models === undefined) return 0;
    return Math.max(models.get(WHOLE) ?? 0, model === null ? 0 : (models.get(model) ?? 0));
  }
}
