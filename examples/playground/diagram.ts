/** Draws the rows of the simulation as a sequence diagram, to fit the width there is. */
import type { Party, Row } from './simulation.ts';

const PARTIES: readonly (readonly [Party, name: string, short: string])[] = [
  ['app', 'Your program', 'App'],
  ['client', 'Client', 'Client'],
  ['token', 'Token endpoint', 'Token'],
  ['api', 'API', 'API'],
  ['login', 'M2M login', 'Login'],
];
const ROW_HEIGHT = 30;
const HEAD_HEIGHT = 34;
const NARROW = 560;
const LETTER_WIDTH = 7.3;
const SHORT: Readonly<Record<string, string>> = { authorizedFetch: 'call', fetchToken: 'token?' };

type Attributes = Readonly<Record<string, string | number>>;

/** A new `<svg>` for the rows; the heads of the lifelines are another one, to stay in sight while the rows scroll. */
export function drawRows(rows: readonly Row[], width: number): SVGSVGElement {
  const height = rows.length * ROW_HEIGHT + 12;
  const svg = createSvg(width, height);
  for (const [party] of PARTIES) {
    const x = columnOf(party, width);
    add(svg, 'line', { class: 'lifeline', x1: x, x2: x, y1: 0, y2: height });
  }
  for (const [index, row] of rows.entries()) drawRow(svg, row, index * ROW_HEIGHT, width);
  return svg;
}

export function drawHeads(width: number): SVGSVGElement {
  const svg = createSvg(width, HEAD_HEIGHT);
  for (const [party, name, short] of PARTIES) {
    const x = columnOf(party, width);
    add(svg, 'text', { class: 'head', x, y: 21, 'text-anchor': 'middle' }, width < NARROW ? short : name);
  }
  return svg;
}

function drawRow(svg: SVGSVGElement, row: Row, y: number, width: number): void {
  if (row.kind === 'step') drawStep(svg, row, y, width);
  else if (row.kind === 'note') drawNote(svg, row, y, width);
  else drawMessage(svg, row, y, width);
}

function drawStep(svg: SVGSVGElement, { label, time }: Row & { kind: 'step' }, y: number, width: number): void {
  add(svg, 'rect', { class: 'step', x: 0, y: y + 4, width, height: ROW_HEIGHT - 8, rx: 4 });
  add(svg, 'text', { class: 'step-label', x: 8, y: y + 19 }, label);
  if (width >= NARROW) add(svg, 'text', { class: 'step-time', x: width - 8, y: y + 19, 'text-anchor': 'end' }, time);
}

function drawNote(svg: SVGSVGElement, { label, tone, count }: Row & { kind: 'note' }, y: number, width: number): void {
  const text = counted(label, count);
  const noteWidth = text.length * LETTER_WIDTH + 16;
  const x = keepInside(columnOf('client', width), noteWidth, width);
  add(svg, 'rect', { class: `note ${tone}`, x: x - noteWidth / 2, y: y + 5, width: noteWidth, height: 20, rx: 10 });
  add(svg, 'text', { class: `note-label ${tone}`, x, y: y + 19, 'text-anchor': 'middle' }, text);
}

function drawMessage(svg: SVGSVGElement, row: Row & { kind: 'message' }, y: number, width: number): void {
  const from = columnOf(row.from, width);
  const to = columnOf(row.to, width);
  const way = Math.sign(to - from);
  const tone = row.isReply ? row.tone : 'plain';
  const lineY = y + 23;
  add(svg, 'line', { class: `arrow ${tone}${row.isReply ? ' reply' : ''}`, x1: from, x2: to - way * 5, y1: lineY, y2: lineY });
  add(svg, 'path', { class: `tip ${tone}`, d: `M ${to} ${lineY} l ${-way * 8} -4.5 v 9 z` });
  const label = counted(width < NARROW ? (SHORT[row.label] ?? row.label) : row.label, row.count);
  const x = keepInside((from + to) / 2, label.length * LETTER_WIDTH, width);
  add(svg, 'text', { class: `label ${tone}`, x, y: y + 17, 'text-anchor': 'middle' }, label);
}

/** The middle of something of this width, moved as far as it takes to show all of it. */
function keepInside(x: number, ownWidth: number, width: number): number {
  return Math.min(Math.max(x, ownWidth / 2 + 2), width - ownWidth / 2 - 2);
}

function counted(label: string, count: number): string {
  return count > 1 ? `${label} ×${count}` : label;
}

function columnOf(party: Party, width: number): number {
  const index = PARTIES.findIndex(([name]) => name === party);
  const margin = width < NARROW ? 26 : 60;
  return Math.round(margin + (index * (width - 2 * margin)) / (PARTIES.length - 1));
}


function createSvg(width: number, height: number): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  set(svg, { width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true', focusable: 'false' });
  return svg;
}

function add(parent: SVGElement, name: string, attributes: Attributes, text = ''): void {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  set(element, attributes);
  element.textContent = text;
  parent.append(element);
}

function set(element: SVGElement, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
}
