// gradio's before/after slider is made for the mouse alone: give it a name, arrow keys and alternative texts.
const furnish = () => document.querySelectorAll('.compare').forEach(part => {
  part.querySelectorAll('img').forEach((img, n) => { if (!img.alt) img.alt = n ? 'after' : 'before'; });
  const handle = part.querySelector('.slider-wrap .outer, .outer');
  if (!handle || handle.dataset.keys) return;
  handle.dataset.keys = 'yes';
  handle.tabIndex = 0;
  handle.setAttribute('role', 'slider');
  handle.setAttribute('aria-label', 'Where before ends and after begins');
  handle.setAttribute('aria-valuemin', 0);
  handle.setAttribute('aria-valuemax', 100);
  handle.setAttribute('aria-valuenow', 50);
  handle.addEventListener('keydown', event => {
    const step = {ArrowLeft: -0.05, ArrowRight: 0.05, Home: -1, End: 1}[event.key];
    if (!step) return;
    event.preventDefault();
    const frame = handle.parentElement.getBoundingClientRect(), own = handle.getBoundingClientRect();
    const from = own.left + own.width / 2, y = own.top + own.height / 2;
    const to = Math.min(frame.right - 1, Math.max(frame.left + 1, from + step * frame.width));
    const fire = (target, kind, x) => target.dispatchEvent(
      new MouseEvent(kind, {bubbles: true, cancelable: true, view: window, clientX: x, clientY: y}));
    fire(handle, 'mousedown', from); fire(window, 'mousemove', to); fire(window, 'mouseup', to);
    handle.setAttribute('aria-valuenow', Math.round(100 * (to - frame.left) / frame.width));
  });
});
// The view of a large face at 100 %: one pixel of the photo to one of the screen, moved about by dragging.
const part = loupe => {
  const pan = loupe.querySelector('.pan'), fraction = loupe.querySelector('input').value / 100;
  loupe.style.setProperty('--at', fraction * pan.clientWidth + 'px');
  pan.firstChild.style.setProperty('--cut', pan.scrollLeft + fraction * pan.clientWidth + 'px');
};
const looked = {};  // where somebody looked, by face, for each new picture of it
const magnify = () => document.querySelectorAll('.loupe .sheet').forEach(sheet => {
  const pan = sheet.parentElement, loupe = pan.parentElement, slider = loupe.querySelector('input');
  if (pan.isReady) return;
  pan.isReady = true;
  document.documentElement.style.setProperty('--screen-pixels', devicePixelRatio);
  const face = pan.getAttribute('aria-label') + sheet.getAttribute('style');
  // At first where the change is.
  const [left, top, fraction] = looked[face] ?? [(pan.scrollWidth - pan.clientWidth) / 2,
    sheet.dataset.focus * pan.scrollHeight - pan.clientHeight / 2, slider.value];
  slider.value = fraction;
  pan.scrollTo(left, top);
  const keep = () => { looked[face] = [pan.scrollLeft, pan.scrollTop, slider.value]; part(loupe); };
  pan.addEventListener('scroll', keep);
  slider.addEventListener('input', keep);
  part(loupe);
  pan.addEventListener('pointermove', event => {
    if (event.buttons & 1 && event.pointerType === 'mouse') pan.scrollBy(-event.movementX, -event.movementY);
  });
});
const watch = () => { furnish(); magnify(); };
new MutationObserver(watch).observe(document.documentElement, {childList: true, subtree: true});
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
const isOver = event => event.target.closest?.('#brush');
window.addEventListener('dragover', event => { if (!isOver(event)) event.preventDefault(); });
window.addEventListener('drop', event => { if (!isOver(event)) take(event, event.dataTransfer.files); }, true);
window.addEventListener('paste', event => { if (event.clipboardData) take(event, event.clipboardData.files); });
// What was done, and not taken home, is not lost by a slip: leaving asks first.
let takenHome = '';
const unsaved = () => document.querySelector('#work .photos')?.dataset.unsaved ?? '';
window.addEventListener('click', event => { if (event.target.closest?.('#download')) takenHome = unsaved(); }, true);
let hasRestarted = false;
window.addEventListener('beforeunload', event => {
  if (!hasRestarted && unsaved() && unsaved() !== takenHome) { event.preventDefault(); event.returnValue = ''; }
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
