// web/parts/listing.tsx: a table that sorts by its heads, walks by key, and turns into a list of names and values where it is narrow. The order is in the address.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { rowKeys } from '../shell/keyboard.ts';
import { addressWith, go, parameter } from '../state/location.ts';
import { csvOf, save, type CsvCell } from './csv.ts';

export interface Column<Row> {
  readonly key: string;
  readonly name: string;
  /** Numbers stand to the right. */
  readonly figure?: boolean;
  /** Left out where there is little room; never the only place where something stands. */
  readonly wide?: boolean;
  /** What it sorts by; null goes last. Without it the column does not sort. */
  readonly by?: (row: Row) => number | bigint | string | null;
  readonly cell: (row: Row) => ComponentChildren;
  readonly title?: (row: Row) => string | undefined;
  /** What a file has of it, by the names that its columns have there; left out where the column only leads somewhere. */
  readonly csv?: Readonly<Record<string, (row: Row) => CsvCell>>;
}

interface ListingProps<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly idOf: (row: Row) => string;
  /** The order unless the address says otherwise: a column's key, with a minus for the biggest first. */
  readonly order?: string;
  /** The row that stands open. */
  readonly open?: string | null;
  readonly close?: () => void;
  /** The one listing of a page that `j`, `k` and the address' order belong to. */
  readonly main?: boolean;
}

/** Sorts by a column; what is unknown comes last either way. */
function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], order: string): Row[] {
  const down = order.startsWith('-');
  const by = columns.find((column) => column.key === order.replace(/^-/, ''))?.by;
  if (!by) return [...rows];
  return rows.toSorted((one, other) => {
    const a = by(one);
    const b = by(other);
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
  });
}

/** The order that the address asks for, where it names a column that sorts. */
function orderInForce<Row>(columns: readonly Column<Row>[], order: string): string {
  const asked = parameter('sort');
  return asked && columns.some((column) => column.by && column.key === asked.replace(/^-/, '')) ? asked : order;
}

export function Listing<Row>({ caption, columns, rows, idOf, order = '', open = null, close, main = false }: ListingProps<Row>) {
  const table = useRef<HTMLTableElement>(null);
  const closing = useRef(close);
  closing.current = close;
  useEffect(() => {
    if (!main) return;
    rowKeys.value = {
      move: (by) => {
        const links = [...(table.current?.querySelectorAll<HTMLAnchorElement>('tbody th a') ?? [])];
        const at = links.indexOf(document.activeElement as HTMLAnchorElement);
        links[Math.max(0, Math.min(links.length - 1, at === -1 ? 0 : at + by))]?.focus();
      },
      close: () => closing.current?.(),
    };
    return () => {
      rowKeys.value = null;
    };
  }, [main]);
  const inForce = main ? orderInForce(columns, order) : order;
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label={caption}>
      <table class="listing stacks" ref={table}>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => {
              const on = inForce.replace(/^-/, '') === column.key;
              const down = inForce.startsWith('-');
              const next = on && down ? column.key : `-${column.key}`;
              return (
                <th scope="col" key={column.key} class={`${column.figure ? 'figure' : ''} ${column.wide ? 'wide-only' : ''}`} aria-sort={on ? (down ? 'descending' : 'ascending') : undefined}>
                  {column.by && main ? (
                    <button type="button" class="head-sort" onClick={() => go(addressWith({ sort: next === order ? null : next, ...(open ? { open } : {}) }), 'replace')}>
                      {column.name}<span aria-hidden="true">{on ? (down ? ' ↓' : ' ↑') : ''}</span>
                    </button>
                  ) : column.name}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {sorted(rows, columns, inForce).map((row) => (
            <tr key={idOf(row)} aria-current={open !== null && idOf(row) === open ? 'true' : undefined}>
              {columns.map((column, i) => {
                const look = { class: `${column.figure ? 'figure' : ''} ${column.wide ? 'wide-only' : ''}`, 'data-name': column.name, title: column.title?.(row) };
                return i === 0 ? <th scope="row" key={column.key} {...look}><div>{column.cell(row)}</div></th> : <td key={column.key} {...look}><div>{column.cell(row)}</div></td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface TableExportProps<Row> extends Pick<ListingProps<Row>, 'columns' | 'rows' | 'order'> {
  readonly name: string;
  /** False while some of its figures are still on their way. */
  readonly ready?: boolean;
}

/** Takes the main table of a page along: the same columns and rows in the same order, those that the screen has no room for too. `e` presses it. */
export function TableExport<Row>({ columns, rows, order = '', name, ready = true }: TableExportProps<Row>) {
  const take = () => save(name, csvOf(Object.assign({}, ...columns.map((column) => column.csv)), sorted(rows, columns, orderInForce(columns, order))));
  return <button type="button" onClick={take} disabled={!ready} title="This table" data-export>CSV</button>;
}

/** The link to a file that the server writes; `e` follows it. */
export function Export({ to, name }: { to: string; name: string }) {
  return <a class="button" href={to} download={name} data-export>CSV</a>;
}

/** A length beside a figure that says the same. */
export function Meter({ share, colour, alarm = false }: { share: number; colour?: string; alarm?: boolean }) {
  return <span class="meter" aria-hidden="true"><i class={alarm ? 'over' : ''} style={{ width: `${Math.min(100, Math.max(0, share * 100)).toFixed(2)}%`, ...(colour && !alarm ? { backgroundColor: colour } : {}) }} /></span>;
}
