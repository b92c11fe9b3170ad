/** The page: reads the controls, and shows the simulation after every change. */
import { type OauthScope, OauthScopeEnum } from 'thingspace-auth';
import { codeFor, type Picked } from './code.ts';
import { drawHeads, drawRows, partiesIn, svgOf } from './diagram.ts';
import { type Api, createSimulation, type HeldToken, type Row, type Switches } from './simulation.ts';
import { sentenceOf, termsIn } from './words.ts';

const SWITCHES = ['isSlow', 'isDown', 'isSame', 'isStoreDown'] as const;
const SKEW_SECONDS = 10;
const STEPS_LOGGED = 50;
/** The moment of the third thing to try: the token has four minutes left, and a refresh ahead is due. */
const OUTAGE_MINUTES = 56;

/** So many presses fit into a link. */
const PRESSES_KEPT = 40;

/** What `?scenario=` in the address starts. It is shown alone: other pages show it in a frame. */
const SCENARIOS: Readonly<Record<string, () => Promise<void>>> = {
  stampede,
  revoked,
  outage,
  lapse,
  latch,
  fleet,
};

const clock = moveableClock();
const scopes = find('#scopes');
const lines = new WeakMap<Row, HTMLElement>();
/** By what stands for it in a link: what pressing a control does. */
const actions = new Map<string, () => void | Promise<void>>();
/** What was pressed since the page began afresh. */
let presses: string[] = [];
let isScheduled = true; // the first drawing is made below
let picked: Picked = 'call';
let minutes = 0;

for (const scope of Object.values(OauthScopeEnum)) scopes.append(createScope(scope));
const simulation = createSimulation(
  { onChange: requestDraw, onRow: logRow, onOutcome: (text) => logLine(text, 'outcome') },
  clock,
);
listen();
choose();
start();
draw();
setInterval(showLife, 1000);
new ResizeObserver(requestDraw).observe(find('#rows'));

/** The whole page, client and mock included, lives by `Date.now`. */
function moveableClock(): { shiftMs: number } {
  const moved = { shiftMs: 0 };
  const now = Date.now;
  Date.now = () => now() + moved.shiftMs;
  return moved;
}

function listen(): void {
  onPress(
    'call',
    'call',
    alone(() => simulation.call(1)),
  );
  onPress(
    'burst',
    'burst',
    alone(() => simulation.call(100)),
  );
  onPress(
    'fetchToken',
    'fetchToken',
    alone(() => simulation.fetchToken()),
  );
  onPress('startFleet', 'fleet', () => {
    if (!isFleet()) simulation.restart();
    return simulation.fleet();
  });
  onPress('revoke', 'revoke', () => simulation.revoke());
  onPress('lapse', 'lapse', () => {
    callM2m();
    simulation.lapse();
  });
  onPress(
    'wrongPassword',
    'wrongPassword',
    alone(() => {
      callM2m();
      return simulation.wrongPassword();
    }),
  );
  onPress('rightPassword', 'rightPassword', () => {
    callM2m();
    simulation.rightPassword();
  });
  for (const button of document.querySelectorAll<HTMLElement>('[data-minutes]')) {
    onPress(button.id, 'advance', () => simulation.advance((minutes = Number(button.dataset.minutes))));
  }
  onPress('tryBurst', 'burst', stampede);
  onPress('tryRevoke', 'revoke', revoked);
  onPress('tryOutage', 'advance', outage);
  onPress('tryFleet', 'fleet', fleet);
  onPress('restart', undefined, () => simulation.restart());
  find('#copy').addEventListener('click', () => void copyCode());
  for (const name of SWITCHES)
    onChange(name, () => simulation.setSwitch(name, find<HTMLInputElement>(`#${name}`).checked));
  for (const input of document.querySelectorAll<HTMLInputElement>('.scopes input, [name=api]'))
    onChange(input.id, choose);
}

/** `what` tells whose code is shown. */
function onPress(id: string, what: Picked | undefined, act: () => void | Promise<void>): void {
  const press = () => {
    picked = what ?? picked;
    const acted = act();
    note(id);
    showCode();
    return acted;
  };
  actions.set(id, press);
  find(`#${CSS.escape(id)}`).addEventListener('click', () => void press());
}

function onChange(id: string, act: () => void): void {
  const input = find<HTMLInputElement>(`#${CSS.escape(id)}`);
  const changed = () => {
    act();
    note(id);
    showCode();
  };
  actions.set(id, () => {
    input.checked = input.type === 'radio' || !input.checked;
    changed();
  });
  input.addEventListener('change', changed);
}

/** What one program does, after a fleet: afresh, with lifelines of its own. */
function alone(act: () => Promise<void>): () => Promise<void> {
  return () => {
    if (isFleet()) simulation.restart();
    return act();
  };
}

function isFleet(): boolean {
  return partiesIn(simulation.rows).includes('store');
}

/** Puts what was pressed into the address, so that it can be sent to somebody. */
function note(id: string): void {
  presses = /^(?:try|restart)/.test(id) ? [id] : [...presses, id].slice(-PRESSES_KEPT);
  history.replaceState(null, '', `#${presses.join(',')}`);
  find<HTMLAnchorElement>('#link').href = location.href;
}

/** Presses again what the address says was pressed. */
async function restore(): Promise<void> {
  for (const id of decodeURIComponent(location.hash.slice(1)).split(',')) await actions.get(id)?.();
  // The browser goes to a control of that name; what is to be seen is the picture.
  scrollTo(0, 0);
}

function start(): void {
  const page = document.documentElement;
  page.classList.toggle('framed', window !== window.top);
  const scenario = SCENARIOS[new URLSearchParams(location.search).get('scenario') ?? ''];
  find<HTMLAnchorElement>('#link').href = location.href;
  if (!scenario) return void simulation.call(1).then(restore);
  page.classList.add('alone');
  find('#again').addEventListener('click', () => void scenario());
  void scenario();
}

function stampede(): Promise<void> {
  beginAnew();
  return simulation.call(100);
}

async function revoked(): Promise<void> {
  beginAnew();
  await simulation.call(1);
  simulation.revoke();
  await simulation.call(1);
}

async function outage(): Promise<void> {
  beginAnew();
  await simulation.call(1);
  setSwitch('isDown', true);
  simulation.advance((minutes = OUTAGE_MINUTES));
  showCode();
  await simulation.call(1);
}

async function lapse(): Promise<void> {
  beginAnew();
  callM2m();
  await simulation.call(1);
  simulation.lapse();
  await simulation.call(1);
}

function latch(): Promise<void> {
  beginAnew();
  callM2m();
  return simulation.wrongPassword();
}

/** The first ones find the store empty, the next ones find a token in it. */
async function fleet(): Promise<void> {
  beginAnew();
  await simulation.fleet();
}

/** The things to try begin without a token, with a server that is well. */
function beginAnew(): void {
  for (const name of SWITCHES) setSwitch(name, name === 'isSame');
  simulation.restart();
}

function setSwitch(name: keyof Switches, isOn: boolean): void {
  find<HTMLInputElement>(`#${name}`).checked = isOn;
  if (simulation.switches[name] !== isOn) simulation.setSwitch(name, isOn);
}

/** Sessions are for M2M calls only. */
function callM2m(): void {
  find<HTMLInputElement>('[value=m2m]').checked = true;
  choose();
}

function choose(): void {
  simulation.choose(chosenScopes(), chosenApi());
  showCode();
}

function chosenScopes(): OauthScope[] {
  return [...scopes.querySelectorAll<HTMLInputElement>(':checked')].map(({ value }) => value as OauthScope);
}

function chosenApi(): Api {
  return find<HTMLInputElement>('[name=api]:checked').value as Api;
}

function createScope(scope: OauthScope): HTMLElement {
  const label = document.createElement('label');
  const input = document.createElement('input');
  input.type = 'checkbox';
  input.id = scope;
  input.value = scope;
  input.checked = scope === OauthScopeEnum.Discoveryread;
  label.append(input, scope);
  return label;
}

/** However much happens, the page is drawn once for each frame. */
function requestDraw(): void {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(draw);
}

function draw(): void {
  isScheduled = false;
  for (const [name, count] of Object.entries(simulation.counts)) find(`#${name}`).textContent = String(count);
  showLife();
  const box = find('#rows');
  const plan = { width: box.clientWidth, parties: partiesIn(simulation.rows) };
  find('#heads').innerHTML = svgOf(drawHeads(plan), plan.width);
  find('#empty').hidden = simulation.rows.length > 0;
  find('#drawn').innerHTML = svgOf(drawRows(simulation.rows, plan), plan.width);
  showTerms();
  box.scrollTop = box.scrollHeight;
}

/** Below the picture, and only for what is in it. */
function showTerms(): void {
  const terms = termsIn(simulation.rows).map(([term, meaning]) => {
    const entry = document.createElement('div');
    entry.append(createElement('dt', term), createElement('dd', meaning));
    return entry;
  });
  find('#terms').replaceChildren(...terms);
}

function showLife(): void {
  const { held } = simulation;
  const bar = find('#life');
  const { text, percent, isHeld } = describeLife(held);
  bar.classList.toggle('held', isHeld);
  bar.setAttribute('aria-valuenow', String(Math.round(percent)));
  bar.setAttribute('aria-valuetext', text);
  find('#life-text').textContent = text;
  if (!held) return;
  const { expiresIn = 3600 } = held.token;
  const of = (seconds: number) => `${(100 * seconds) / expiresIn}%`;
  // The client draws when it refreshes: one to one and a half windows before the end.
  const windowSeconds = Math.min(300, expiresIn / 5) * 1.5;
  const skew = held.isRepeated ? 0 : SKEW_SECONDS;
  place('.used', { width: `${percent}%` });
  place('.now', { left: `min(${percent}%, 100% - 3px)` });
  place('.window', { right: of(skew), width: held.isRepeated ? '0' : of(windowSeconds) });
  place('.skew', { width: of(skew), minWidth: skew ? '4px' : '0' });
}

function describeLife(held: HeldToken | undefined): { text: string; percent: number; isHeld: boolean } {
  if (!held) return { text: 'No token yet: the first call fetches one.', percent: 0, isHeld: false };
  const { accessToken, expiry = Infinity, expiresIn = 3600 } = held.token;
  const left = Math.max(0, Math.ceil(expiry - Date.now() / 1000));
  const name = `Token #${accessToken.split('-').at(-1)}`;
  const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
  const repeated = held.isRepeated ? ' The server repeats it: used to its end.' : '';
  const text = left
    ? `${name}: ${time} left.${repeated}`
    : `${name} has ended: the next call fetches another.`;
  return { text, percent: 100 - (100 * left) / expiresIn, isHeld: true };
}

function place(selector: string, style: Partial<CSSStyleDeclaration>): void {
  Object.assign(find(`#life ${selector}`).style, style);
}

function showCode(): void {
  const { switches } = simulation;
  find('#code code').textContent = codeFor({
    scopes: chosenScopes(),
    api: chosenApi(),
    switches,
    picked: simulation.isWrong && /^(?:call|burst)$/.test(picked) ? 'wrongPassword' : picked,
    minutes,
  });
}

async function copyCode(): Promise<void> {
  const code = find('#code code');
  try {
    await navigator.clipboard.writeText(code.textContent);
    logLine('The code is in the clipboard.', 'outcome');
  } catch {
    getSelection()?.selectAllChildren(code);
    logLine(
      'The browser keeps the clipboard to itself: the code is selected, copy it with the keyboard.',
      'outcome',
    );
  }
}

/**
 * Each step is a paragraph group of its own, the newest on top; its rows follow in their order, as in the
 * picture.
 */
function logRow(row: Row): void {
  if (row.kind === 'step') {
    const box = find('#log');
    box.prepend(document.createElement('div'));
    if (box.children.length > STEPS_LOGGED) box.lastElementChild?.remove();
    logLine(`${row.label}, ${row.time}`, 'step');
    return;
  }
  const line = lines.get(row);
  if (line) line.textContent = sentenceOf(row);
  else lines.set(row, logLine(sentenceOf(row)));
}

function logLine(text: string, kind = ''): HTMLElement {
  const line = createElement('p', text);
  line.className = kind;
  const box = find('#log');
  if (!box.firstElementChild) box.append(document.createElement('div'));
  box.firstElementChild?.append(line);
  return line;
}

function createElement(name: string, text: string): HTMLElement {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

function find<T extends HTMLElement = HTMLElement>(selector: string): T {
  const element = document.querySelector<T>(selector);
  if (!element) throw new Error(`The page has no ${selector}`);
  return element;
}
