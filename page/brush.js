// The brush: what is painted over the photo stays as it is, or is edited too. A stroke is sent once, when it is lifted.
const LONGEST_PX = 1100, MOST_UNDO = 20;
const paintings = new Map();  // by photo: what was painted on it, and how it was before each of the last strokes
const brush = {kind: 'keep', isDown: false, last: null};
const inks = () => {
  const style = getComputedStyle(document.documentElement);
  return {keep: style.getPropertyValue('--keep').trim(), edit: style.getPropertyValue('--edit').trim(), erase: '#000'};
};
const painting = () => {
  const sheet = one('#canvas .sheet');
  if (!sheet) return null;
  if (!paintings.has(sheet.dataset.photo)) {
    const [width, height] = [+sheet.dataset.width, +sheet.dataset.height];
    const scale = Math.min(1, LONGEST_PX / Math.max(width, height));
    const paper = document.createElement('canvas');
    [paper.width, paper.height] = [width, height].map(side => Math.max(Math.round(side * scale), 1));
    paintings.set(sheet.dataset.photo, {photo: sheet.dataset.photo, paper, undo: [], isBlank: true});
  }
  return paintings.get(sheet.dataset.photo);
};
onChange(() => {
  const holder = one('.overlay .strokes'), now = holder && painting();
  if (now && holder.firstChild !== now.paper) holder.replaceChildren(now.paper);
});
const send = now => ask('strokes', {photo: now.photo, picture: now.isBlank ? '' : now.paper.toDataURL('image/png')});
const remember = now => {
  now.undo.push([now.isBlank, now.paper.getContext('2d').getImageData(0, 0, now.paper.width, now.paper.height)]);
  if (now.undo.length > MOST_UNDO) now.undo.shift();
};
const strokeTo = event => {
  const now = painting(), box = now.paper.getBoundingClientRect(), scale = now.paper.width / box.width;
  const at = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  const ink = now.paper.getContext('2d');
  ink.globalCompositeOperation = brush.kind === 'erase' ? 'destination-out' : 'source-over';
  ink.strokeStyle = inks()[brush.kind];
  ink.lineCap = ink.lineJoin = 'round';
  ink.lineWidth = Math.max(one('.brushes .size').value * scale, 1);
  ink.beginPath();
  ink.moveTo(...(brush.last ?? at));
  ink.lineTo(...at);
  ink.stroke();
  brush.last = at;
  if (brush.kind !== 'erase') now.isBlank = false;
};
const setPainting = isOn => {
  one('#canvas').classList.toggle('paints', isOn);
  one('.brushes').hidden = !isOn;
  all('.tools:not(.brushes) [data-do=brush]').forEach(button => button.setAttribute('aria-pressed', isOn));
  one(isOn ? '[data-paint][aria-checked=true]' : '.tools:not(.brushes) [data-do=brush]').focus({preventScroll: true});
  draw();
};
const lift = () => {
  if (!brush.isDown) return;
  Object.assign(brush, {isDown: false, last: null});
  send(painting());
};
document.addEventListener('pointerdown', event => {
  if (!isPainting() || !event.target.closest?.('#canvas') || event.button > 0) return;
  if (!event.isPrimary) {  // a second finger: it was no stroke, but a pinch
    if (brush.isDown) { brush.isDown = false; brush.last = null; takeBack(); }
    return;
  }
  event.preventDefault();
  remember(painting());
  brush.isDown = true;
  strokeTo(event);
});
document.addEventListener('pointermove', event => {
  if (!brush.isDown || !event.isPrimary) return;
  (event.getCoalescedEvents?.() ?? []).concat(event).forEach(strokeTo);
});
document.addEventListener('pointerup', lift);
document.addEventListener('pointercancel', lift);
const takeBack = () => {
  const now = painting(), last = now?.undo.pop();
  if (!last) return false;
  now.isBlank = last[0];
  now.paper.getContext('2d').putImageData(last[1], 0, 0);
  return true;
};
Object.assign(actions, {
  brush: () => setPainting(!isPainting()),
  undo: () => { if (takeBack()) send(painting()); },
  clear: () => {
    const now = painting();
    if (now.isBlank) return;
    remember(now);
    now.paper.getContext('2d').clearRect(0, 0, now.paper.width, now.paper.height);
    now.isBlank = true;
    send(now);
  },
});
const choosePaint = button => {
  brush.kind = button.dataset.paint;
  all('[data-paint]').forEach(other => {
    other.setAttribute('aria-checked', other === button);
    other.tabIndex = other === button ? 0 : -1;
  });
};
document.addEventListener('click', event => {
  const button = event.target.closest?.('[data-paint]');
  if (button) choosePaint(button);
});
document.addEventListener('keydown', event => {
  const now = event.target.closest?.('[data-paint]');
  const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  if (!now || !step) return;
  event.preventDefault();
  const buttons = all('[data-paint]');
  const next = buttons[(buttons.indexOf(now) + step + buttons.length) % buttons.length];
  choosePaint(next);
  next.focus();
});
