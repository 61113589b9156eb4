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
new MutationObserver(furnish).observe(document.documentElement, {childList: true, subtree: true});
// A photo may be dropped anywhere on the page, or pasted.
const take = (event, files) => {
  const images = [...files].filter(file => file.type.startsWith('image/') || file.type === '');
  const input = document.querySelector('#drop input[type=file], #more input[type=file], input#more');
  if (!images.length || !input) return;
  event.preventDefault();
  const list = new DataTransfer();
  images.forEach(file => list.items.add(file));
  input.files = list.files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
};
const isOver = event => event.target.closest && event.target.closest('#drop, #others, #brush');
window.addEventListener('dragover', event => { if (!isOver(event)) event.preventDefault(); });
window.addEventListener('drop', event => { if (!isOver(event)) { event.preventDefault(); take(event, event.dataTransfer.files); } });
window.addEventListener('paste', event => { if (event.clipboardData) take(event, event.clipboardData.files); });
