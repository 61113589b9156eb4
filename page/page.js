// gradio renews parts of the page without a word: whoever has to know is told when something changed, once a frame.
const listeners = [];
const onChange = listener => listeners.push(listener);
let isTold = true;
const tellSoon = () => {
  if (!isTold) return;
  isTold = false;
  requestAnimationFrame(() => { isTold = true; listeners.forEach(listener => listener()); });
};
new MutationObserver(tellSoon).observe(document.documentElement, {
  childList: true, subtree: true, attributeFilter: ['src', 'data-photo', 'data-result', 'data-unsaved', 'data-sharp'],
});
// Whether a key is meant for a field that takes text, or for a control that answers to it.
const isField = element => element.closest?.('input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable=true]');
// What this page takes: files that are no photos, or too large, are named here, one sentence each, and the others go on.
// gradio would refuse all of them for one, and shows their names as HTML.
const complaints = document.createElement('div');
complaints.id = 'complaints';
complaints.setAttribute('role', 'status');
complaints.setAttribute('aria-live', 'polite');
document.addEventListener('DOMContentLoaded', () => document.body.append(complaints));
const complain = sentences => {
  if (!complaints.isConnected) document.body.append(complaints);
  complaints.replaceChildren(...sentences.map(sentence => {
    const line = document.createElement('p');
    line.textContent = sentence;
    return line;
  }));
  if (!sentences.length) return;
  const close = document.createElement('button');
  close.type = 'button';
  close.setAttribute('aria-label', 'Close');
  close.textContent = '×';
  close.addEventListener('click', () => complaints.replaceChildren());
  complaints.append(close);
};
// While photos are sent and read one line says so; it goes when they are there, or a sentence says why not.
const arriving = document.createElement('p');
arriving.id = 'arriving';
arriving.setAttribute('role', 'status');
document.addEventListener('DOMContentLoaded', () => document.body.append(arriving));
const countToasts = () => document.querySelectorAll('[data-testid=toast-body]').length;
const state = () => `${document.querySelectorAll('.photos .chip, .references li').length} ${countToasts()}`;
let stateThen = '';
const say = sentence => {
  if (!arriving.isConnected) document.body.append(arriving);
  arriving.textContent = sentence;
  stateThen = state();
};
onChange(() => { if (arriving.textContent && state() !== stateThen) arriving.textContent = ''; });
const choose = files => {
  const sentences = [];
  const good = [...files].filter(file => {
    const ending = file.name.slice(file.name.lastIndexOf('.')).toLowerCase();
    if (!TAKES.endings.includes(ending)) {
      sentences.push(`${file.name} is no photo that this page can open: it takes JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC and raw files.`);
    } else if (file.size > TAKES.megabytes * 2 ** 20) {
      sentences.push(`${file.name} is larger than ${TAKES.megabytes} MB, which is more than this page takes.`);
    } else return true;
  });
  complain(sentences);
  return good;
};
const give = (input, files) => {
  const list = new DataTransfer();
  files.forEach(file => list.items.add(file));
  say(files.length === 1 ? `${files[0].name} is on its way …` : `${files.length} photos are on their way …`);
  input.files = list.files;
  input.dispatchEvent(new CustomEvent('change', {bubbles: true, detail: 'chosen'}));
};
const LISTS = '#drop input[type=file], #bar input[type=file], #references input[type=file]';
// Before gradio hears of it: what was chosen by the file dialog comes again without the files that are no photos.
window.addEventListener('change', event => {
  const input = event.target;
  if (!(input instanceof HTMLInputElement) || !input.matches(LISTS) || event.detail === 'chosen') return;
  event.stopImmediatePropagation();
  const files = choose(input.files);
  if (files.length) give(input, files); else input.value = '';
}, true);
// A photo may be dropped anywhere on the page, or pasted.
const take = (event, files) => {
  const isReference = event.target.closest?.('#references');
  const input = document.querySelector(isReference ? '#references input[type=file]' : LISTS);
  if (!files.length || !input) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const good = choose(files);
  if (good.length) give(input, good);
};
window.addEventListener('dragover', event => event.preventDefault());
window.addEventListener('drop', event => take(event, event.dataTransfer.files), true);
window.addEventListener('paste', event => { if (event.clipboardData) take(event, event.clipboardData.files); });
// Names for what gradio leaves without one.
onChange(() => {
  document.querySelectorAll('.toast-close:not([aria-label])').forEach(button => button.setAttribute('aria-label', 'Close'));
});
// What was done, and not taken home, is not lost by a slip: leaving asks first.
let takenHome = '';
const unsaved = () => document.querySelector('#work .photos')?.dataset.unsaved ?? '';
window.addEventListener('click', event => { if (event.target.closest?.('#download')) takenHome = unsaved(); }, true);
let hasRestarted = false;
window.addEventListener('beforeunload', event => {
  if (!hasRestarted && unsaved() && unsaved() !== takenHome) { event.preventDefault(); event.returnValue = ''; }
});
// What had the focus may be gone: it goes on to what comes next, and never falls back to the top of the page.
const NEXT = {
  start: ['.overlay .view'],
  foot: ['#download', '#cancel', '#make'],
  bar: ['.photos [aria-pressed=true]', '#more button', '#drop button'],
  references: ['#references button'],
  choices: ['.cards [aria-pressed=true]', '.overlay .view'],
};
const isThere = element => element?.isConnected && element.getClientRects().length && !element.disabled;
let focused = null, area = '';
document.addEventListener('focusin', event => {
  focused = event.target;
  area = Object.keys(NEXT).find(id => focused.closest(`#${id}`)) ?? '';
});
onChange(() => {
  if (document.activeElement && document.activeElement !== document.body || !area || isThere(focused)) return;
  const next = NEXT[area].map(selector => document.querySelector(selector)).find(isThere)
    ?? (document.querySelector('#start') ? document.querySelector('#drop button') : null);
  next?.focus({preventScroll: area !== 'start'});
});
// A server that was started anew knows nothing of what this page shows. gradio notices only while it waits for something.
const look = async () => {
  const own = window.gradio_config?.app_id;
  if (!own) return;
  const answer = await fetch('gradio_api/app_id', {cache: 'no-store'}).catch(() => null);
  if (!answer?.ok || (await answer.json()).app_id === own) return;
  hasRestarted = true;  // what was not taken home is gone with the old server
  location.reload();
};
setInterval(() => look().catch(() => {}), 3000);
