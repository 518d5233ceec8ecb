// web/parts/panel.tsx: a panel and its faces: loading, old figures dimmed, failed with cause and retry.

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Asked } from '../server.ts';

interface PanelProps<Answer> {
  readonly title?: string;
  readonly aside?: ComponentChildren;
  readonly asked: Asked<Answer>;
  /** The height class of the skeleton, so that nothing jumps when the figures come. */
  readonly skeleton: 'row' | 'chart' | 'list';
  readonly class?: string;
  readonly children: (answer: Answer) => ComponentChildren;
}

export function Panel<Answer>({ title, aside, asked, skeleton, class: extra, children }: PanelProps<Answer>) {
  return (
    <section class={`panel ${extra ?? ''}`} aria-label={title} aria-busy={asked.data === null || asked.stale}>
      {(title || aside) && (
        <header class="panel-head">
          {title && <h2>{title}</h2>}
          {aside}
        </header>
      )}
      <Answered asked={asked} skeleton={skeleton}>{children}</Answered>
    </section>
  );
}

export function Answered<Answer>({ asked, skeleton, children }: Pick<PanelProps<Answer>, 'asked' | 'skeleton' | 'children'>) {
  const { data, stale, failure, retry } = asked;
  return (
    <>
      {failure && failure.status !== 401 && (
        <div class="failed" role="alert">
          <p>
            <strong>{data === null ? 'This could not be loaded.' : 'This could not be brought up to date.'}</strong> {failure.message}
            {failure.status > 0 && <span class="muted"> ({failure.code}, {failure.status})</span>}
          </p>
          <button type="button" onClick={retry}>Try again</button>
        </div>
      )}
      {data === null ? !failure && <Skeleton kind={skeleton} /> : <div class={stale ? 'dimmed' : undefined}>{children(data)}</div>}
    </>
  );
}

export function Skeleton({ kind }: { kind: 'row' | 'chart' | 'list' }) {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 1_000);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div class={`skeleton ${kind}`} role="status">
      <span class={slow ? 'muted' : 'unseen'}>Loading…</span>
    </div>
  );
}
