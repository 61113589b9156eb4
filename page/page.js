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
// What gradio itself says of a file that is too large is meant for programmers.
const reword = () => document.querySelectorAll('[data-testid=toast-text]').forEach(text => {
  const found = text.textContent.match(/exceed the maximum allowed size.*?"(.*)"/);
  if (found) text.textContent = `${found[1]} is larger than 100 MB, which is more than this page takes.`;
});
const watch = () => { furnish(); magnify(); reword(); };
new MutationObserver(watch).observe(document.documentElement, {childList: true, subtree: true});
// A photo may be dropped anywhere on the page, or pasted.
const take = (event, files) => {
  const images = [...files].filter(file => file.type.startsWith('image/') || file.type === '');
  const input = document.querySelector('#drop input[type=file], #bar input[type=file]');
  if (!images.length || !input) return;
  event.preventDefault();
  const list = new DataTransfer();
  images.forEach(file => list.items.add(file));
  input.files = list.files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
};
const isOver = event => event.target.closest && event.target.closest('#drop, #references, #brush');
window.addEventListener('dragover', event => { if (!isOver(event)) event.preventDefault(); });
window.addEventListener('drop', event => { if (!isOver(event)) { event.preventDefault(); take(event, event.dataTransfer.files); } });
window.addEventListener('paste', event => { if (event.clipboardData) take(event, event.clipboardData.files); });
