/** The page: reads the controls, and shows the simulation after every change. */
import type { OauthScope } from 'thingspace-auth';
import { OauthScopeEnum } from 'thingspace-auth';
import type { Picked } from './code.ts';
import { codeFor } from './code.ts';
import { drawHeads, drawRows } from './diagram.ts';
import type { Api, HeldToken } from './simulation.ts';
import { createSimulation } from './simulation.ts';

const SKEW_SECONDS = 10;

const clock = moveableClock();
const scopes = find('#scopes');
let isScheduled = true; // the first drawing is made below
let picked: Picked = 'call';
let minutes = 0;

for (const scope of Object.values(OauthScopeEnum)) scopes.append(createScope(scope));
const simulation = createSimulation(requestDraw, log, clock);
listen();
choose();
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
  onPress('#call', 'call', () => simulation.call(1));
  onPress('#burst', 'burst', () => simulation.call(100));
  onPress('#fetchToken', 'fetchToken', () => simulation.fetchToken());
  onPress('#revoke', 'revoke', () => simulation.revoke());
  onPress('#lapse', 'lapse', () => {
    callM2m();
    simulation.lapse();
  });
  onPress('#wrongPassword', 'wrongPassword', () => {
    callM2m();
    return simulation.wrongPassword();
  });
  for (const button of document.querySelectorAll<HTMLElement>('[data-minutes]')) {
    onPress(button, 'advance', () => simulation.advance((minutes = Number(button.dataset.minutes))));
  }
  find('#restart').addEventListener('click', () => simulation.restart());
  find('#copy').addEventListener('click', () => void copyCode());
  for (const name of ['isSlow', 'isDown', 'isSame'] as const) {
    find(`#${name}`).addEventListener('change', () => {
      simulation.setSwitch(name, find<HTMLInputElement>(`#${name}`).checked);
      showCode();
    });
  }
  scopes.addEventListener('change', choose);
  for (const radio of document.querySelectorAll('[name=api]')) radio.addEventListener('change', choose);
}

function onPress(target: string | HTMLElement, what: Picked, act: () => void | Promise<void>): void {
  const button = typeof target === 'string' ? find(target) : target;
  button.addEventListener('click', () => {
    picked = what;
    void act();
    showCode();
  });
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
  const width = box.clientWidth;
  find('#heads').replaceChildren(drawHeads(width));
  find('#empty').hidden = simulation.rows.length > 0;
  find('#drawn').replaceChildren(drawRows(simulation.rows, width));
  box.scrollTop = box.scrollHeight;
}

function showLife(): void {
  const { held } = simulation;
  const bar = find('#life');
  const { text, percent, isHeld } = describeLife(held);
  bar.classList.toggle('held', isHeld);
  bar.setAttribute('aria-valuenow', String(Math.round(percent)));
  bar.setAttribute('aria-valuetext', text);
  find('#life-text').textContent = text;
  if (!isHeld) return;
  const { expiresIn = 3600 } = held!.token;
  const of = (seconds: number) => `${(100 * seconds) / expiresIn}%`;
  // The client draws when it refreshes: one to one and a half windows before the end.
  const windowSeconds = Math.min(300, expiresIn / 5) * 1.5;
  const skew = held!.isRepeated ? 0 : SKEW_SECONDS;
  place('.used', { width: `${percent}%` });
  place('.now', { left: `min(${percent}%, 100% - 3px)` });
  place('.window', { right: of(skew), width: held!.isRepeated ? '0' : of(windowSeconds) });
  place('.skew', { width: of(skew), minWidth: skew ? '4px' : '0' });
}

function describeLife(held: HeldToken | undefined): { text: string; percent: number; isHeld: boolean } {
  if (!held) return { text: 'No token yet: the first call fetches one.', percent: 0, isHeld: false };
  const { accessToken, expiry = Infinity, expiresIn = 3600 } = held.token;
  const left = Math.max(0, Math.ceil(expiry - Date.now() / 1000));
  const name = `Token #${accessToken.split('-').at(-1)}`;
  const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
  const repeated = held.isRepeated ? ' The server repeats it: used to its end.' : '';
  const text = left ? `${name}: ${time} left.${repeated}` : `${name} has ended: the next call fetches another.`;
  return { text, percent: 100 - (100 * left) / expiresIn, isHeld: true };
}

function place(selector: string, style: Partial<CSSStyleDeclaration>): void {
  Object.assign(find(`#life ${selector}`).style, style);
}

function showCode(): void {
  const { switches } = simulation;
  find('#code code').textContent = codeFor({ scopes: chosenScopes(), api: chosenApi(), switches, picked, minutes });
}

async function copyCode(): Promise<void> {
  const code = find('#code code');
  try {
    await navigator.clipboard.writeText(code.textContent);
    log('The code is in the clipboard.');
  } catch {
    getSelection()?.selectAllChildren(code);
    log('The browser keeps the clipboard to itself: the code is selected, copy it with the keyboard.');
  }
}

function log(text: string): void {
  const line = document.createElement('p');
  line.textContent = text;
  const box = find('#log');
  box.prepend(line);
  if (box.children.length > 50) box.lastElementChild!.remove();
}

function find<T extends HTMLElement = HTMLElement>(selector: string): T {
  return document.querySelector<T>(selector)!;
}
