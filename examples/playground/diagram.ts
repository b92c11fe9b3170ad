/**
 * Draws the rows of the simulation as a sequence diagram, to fit the width there is. Gives SVG as text, with
 * no page at hand.
 */
import type { Party, Row } from './simulation.ts';

const PARTIES: readonly (readonly [Party, name: string, short: string])[] = [
  ['app', 'Your program', 'App'],
  ['client', 'Client', 'Client'],
  ['one', 'Process 1', '1'],
  ['two', 'Process 2', '2'],
  ['three', 'Process 3', '3'],
  ['store', 'Store', 'Store'],
  ['token', 'Token endpoint', 'Token'],
  ['api', 'API', 'API'],
  ['login', 'M2M login', 'Login'],
  ['other', 'Another origin', 'Other'],
];
const OF_ONE: readonly Party[] = ['app', 'client', 'token', 'api', 'login'];
const OF_FLEET: readonly Party[] = ['one', 'two', 'three', 'store', 'token', 'api'];
const ROW_HEIGHT = 30;
const HEAD_HEIGHT = 34;
const NARROW = 560;
const LETTER_WIDTH = 7.3;
const SHORT: Readonly<Record<string, string>> = { authorizedFetch: 'call', fetchToken: 'token?' };

type Attributes = Readonly<Record<string, string | number>>;

/** Where things go: the whole width, and the lifelines that share it. */
export interface Plan {
  readonly width: number;
  readonly parties: readonly Party[];
}

export interface Drawing {
  readonly height: number;
  /** The elements within the `<svg>`. */
  readonly content: string;
}

/** A fleet has lifelines of its own: each process is a program with its client. */
export function partiesIn(rows: readonly Row[]): readonly Party[] {
  const isOfFleet = (row: Row) =>
    row.kind === 'message' && (row.from === 'store' || row.to === 'store' || row.from === 'one');
  return rows.some(isOfFleet) ? OF_FLEET : OF_ONE;
}

/** The heads of the lifelines are a drawing of their own, to stay in sight while the rows scroll. */
export function drawHeads(plan: Plan): Drawing {
  const heads = PARTIES.filter(([party]) => plan.parties.includes(party)).map(([party, name, short]) =>
    textOf(
      { class: 'head', x: columnOf(party, plan), y: 21, 'text-anchor': 'middle' },
      plan.width < NARROW ? short : name,
    ),
  );
  return { height: HEAD_HEIGHT, content: heads.join('') };
}

export function drawRows(rows: readonly Row[], plan: Plan): Drawing {
  const height = rows.length * ROW_HEIGHT + 12;
  const lifelines = plan.parties.map((party) => {
    const x = columnOf(party, plan);
    return shapeOf('line', { class: 'lifeline', x1: x, x2: x, y1: 0, y2: height });
  });
  return {
    height,
    content: [...lifelines, ...rows.map((row, index) => drawRow(row, index * ROW_HEIGHT, plan))].join(''),
  };
}

/** A whole `<svg>`. Those of the page are hidden from readers of the screen, who have the log. */
export function svgOf(
  { height, content }: Drawing,
  width: number,
  attributes: Attributes = { 'aria-hidden': 'true', focusable: 'false' },
): string {
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  const all = written({ xmlns: 'http://www.w3.org/2000/svg', ...size, ...attributes });
  return `<svg${all}>${content}</svg>`;
}

function drawRow(row: Row, y: number, plan: Plan): string {
  if (row.kind === 'step') return drawStep(row, y, plan);
  return row.kind === 'note' ? drawNote(row, y, plan) : drawMessage(row, y, plan);
}

function drawStep({ label, time }: Row & { kind: 'step' }, y: number, { width }: Plan): string {
  const bar = shapeOf('rect', { class: 'step', x: 0, y: y + 4, width, height: ROW_HEIGHT - 8, rx: 4 });
  const name = textOf({ class: 'step-label', x: 8, y: y + 19 }, label);
  return (
    bar +
    name +
    (width < NARROW
      ? ''
      : textOf({ class: 'step-time', x: width - 8, y: y + 19, 'text-anchor': 'end' }, time))
  );
}

function drawNote({ label, tone, at, count }: Row & { kind: 'note' }, y: number, plan: Plan): string {
  const words = counted(label, count);
  const noteWidth = words.length * LETTER_WIDTH + 16;
  const x = keepInside(columnOf(at, plan), noteWidth, plan.width);
  const box = { class: `note ${tone}`, x: x - noteWidth / 2, y: y + 5, width: noteWidth, height: 20, rx: 10 };
  return (
    shapeOf('rect', box) +
    textOf({ class: `note-label ${tone}`, x, y: y + 19, 'text-anchor': 'middle' }, words)
  );
}

function drawMessage(row: Row & { kind: 'message' }, y: number, plan: Plan): string {
  const from = columnOf(row.from, plan);
  const to = columnOf(row.to, plan);
  const way = Math.sign(to - from);
  const tone = row.isReply ? row.tone : 'plain';
  const lineY = y + 23;
  const label = counted(plan.width < NARROW ? (SHORT[row.label] ?? row.label) : row.label, row.count);
  const x = keepInside((from + to) / 2, label.length * LETTER_WIDTH, plan.width);
  return [
    shapeOf('line', {
      class: `arrow ${tone}${row.isReply ? ' reply' : ''}`,
      x1: from,
      x2: to - way * 5,
      y1: lineY,
      y2: lineY,
    }),
    shapeOf('path', { class: `tip ${tone}`, d: `M ${to} ${lineY} l ${-way * 8} -4.5 v 9 z` }),
    textOf({ class: `label ${tone}`, x, y: y + 17, 'text-anchor': 'middle' }, label),
  ].join('');
}

/** The middle of something of this width, moved as far as it takes to show all of it. */
function keepInside(x: number, ownWidth: number, width: number): number {
  return Math.min(Math.max(x, ownWidth / 2 + 2), width - ownWidth / 2 - 2);
}

function counted(label: string, count: number): string {
  return count > 1 ? `${label} ×${count}` : label;
}

function columnOf(party: Party, { width, parties }: Plan): number {
  const margin = width < NARROW ? 26 : 60;
  return Math.round(margin + (parties.indexOf(party) * (width - 2 * margin)) / (parties.length - 1));
}

export function shapeOf(name: string, attributes: Attributes): string {
  return `<${name}${written(attributes)}/>`;
}

export function textOf(attributes: Attributes, words: string): string {
  return `<text${written(attributes)}>${escaped(words)}</text>`;
}

function written(attributes: Attributes): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join('');
}

function escaped(words: string): string {
  return words.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
