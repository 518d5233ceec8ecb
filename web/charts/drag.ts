// web/charts/drag.ts: a stretch of a chart drawn with the pointer, or walked with Shift and the arrow keys, becomes a period.

import { useRef, useState } from 'preact/hooks';

/** Shares of the field's width, left before right. */
export interface Draft {
  readonly left: number;
  readonly right: number;
}

/** Fewer pixels than this are a click that slipped. */
const SLIP_PX = 6;
/** A second click within this makes it a double one. */
const DOUBLE_MS = 350;

interface Drag {
  readonly draft: Draft | null;
  readonly onPointerDown: (event: PointerEvent) => void;
  readonly onPointerMove: (event: PointerEvent) => void;
  readonly onPointerUp: (event: PointerEvent) => void;
  readonly onPointerCancel: () => void;
  /** True for the click that ends a drag: it picks nothing. */
  readonly swallows: () => boolean;
  /** Runs `act` unless a second click follows; that one runs `twice`. */
  readonly once: (act: () => void, twice: () => void) => void;
}

/**
 * @param field where the marks are, in pixels of the element: its left edge and its width
 * @param done the shares of the field that were drawn over
 */
export function useDrag(field: (element: HTMLElement) => { left: number; width: number }, done: ((draft: Draft) => void) | null): Drag {
  const from = useRef<number | null>(null);
  const dragged = useRef(false);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const [draft, setDraft] = useState<Draft | null>(null);
  const at = (event: PointerEvent): { x: number; width: number } => {
    const element = event.currentTarget as HTMLElement;
    const { left, width } = field(element);
    return { x: Math.max(0, Math.min(width, event.clientX - element.getBoundingClientRect().left - left)), width };
  };
  const stretch = (event: PointerEvent): Draft | null => {
    const { x, width } = at(event);
    return from.current === null || Math.abs(x - from.current) < SLIP_PX ? null : { left: Math.min(x, from.current) / width, right: Math.max(x, from.current) / width };
  };
  return {
    draft,
    onPointerDown(event) {
      dragged.current = false;
      // A finger that moves scrolls the page.
      from.current = done && event.button === 0 && event.pointerType !== 'touch' ? at(event).x : null;
    },
    onPointerMove(event) {
      if (from.current === null) return;
      const found = stretch(event);
      if (found && !draft) (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
      if (found || draft) setDraft(found);
    },
    onPointerUp(event) {
      const found = stretch(event);
      from.current = null;
      setDraft(null);
      if (!found || !done) return;
      dragged.current = true;
      done(found);
    },
    onPointerCancel() {
      from.current = null;
      setDraft(null);
    },
    swallows() {
      const was = dragged.current;
      dragged.current = false;
      return was;
    },
    once(act, twice) {
      if (timer.current !== null) {
        clearTimeout(timer.current);
        timer.current = null;
        return twice();
      }
      timer.current = setTimeout(() => {
        timer.current = null;
        act();
      }, DOUBLE_MS);
    },
  };
}

/** The indices of the first and last of `count` equal places that a draft touches. */
export function touched({ left, right }: Draft, count: number): { first: number; last: number } {
  const first = Math.min(count - 1, Math.floor(left * count));
  return { first, last: Math.max(first, Math.min(count - 1, Math.ceil(right * count) - 1)) };
}
