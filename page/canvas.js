// The canvas: the photo fills it, is moved about and seen closely in place, and a line parts before from after.
// What of the photo is seen: how many times larger than fitted, and which point of it is in the middle, 0 … 1.
const view = {photo: '', zoom: 1, x: .5, y: .5, face: '', line: .5, peeks: false, asked: ''};
const MOST_ZOOM = 40, FACE_MARGIN = .45;
const one = selector => document.querySelector(selector);
const all = selector => [...document.querySelectorAll(selector)];
const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
// Something for the server: what was asked for on the canvas.
const ask = (name, detail) => one('.overlay')?.dispatchEvent(new CustomEvent(name, {detail, bubbles: true}));
// Where the photo lies on the canvas, in pixels of the page; null where there is none.
const measure = () => {
  const canvas = one('#canvas'), sheet = one('#canvas .sheet');
  if (!sheet || !canvas.clientWidth) return null;
  const [width, height] = [+sheet.dataset.width, +sheet.dataset.height];
  const [across, down] = [canvas.clientWidth, canvas.clientHeight];
  const fit = Math.min(across / width, down / height, 3);
  return {canvas, sheet, across, down, fit, width: fit * view.zoom * width, height: fit * view.zoom * height};
};
const keepInside = place => {
  const [halfX, halfY] = [place.across / 2 / place.width, place.down / 2 / place.height];
  view.x = halfX >= .5 ? .5 : clamp(view.x, halfX, 1 - halfX);
  view.y = halfY >= .5 ? .5 : clamp(view.y, halfY, 1 - halfY);
};
// Before and after are parted where there is something to compare: a result, or painted faces that are looked at.
const compares = (sheet, marks) => sheet.dataset.result === 'true'
  || (sheet.querySelector('.after img') !== null && (view.face !== '' || view.zoom > 1.3 || marks === 1));
const draw = () => {
  const place = measure();
  if (!place) { view.photo = ''; return; }
  const {canvas, sheet, across, down} = place;
  if (sheet.dataset.photo !== view.photo) {
    Object.assign(view, {photo: sheet.dataset.photo, zoom: 1, x: .5, y: .5, face: '', asked: ''});
    return draw();
  }
  keepInside(place);
  const left = across / 2 - view.x * place.width, top = down / 2 - view.y * place.height;
  const line = view.peeks ? across : view.line * across;
  for (const [name, value] of Object.entries({left, top, width: place.width, height: place.height, line,
    cut: clamp(line - left, 0, place.width)})) canvas.style.setProperty(`--${name}`, `${value}px`);
  const isCompared = compares(sheet, sheet.querySelectorAll('.mark').length);
  for (const [name, isOn] of Object.entries({compares: isCompared, closely: view.zoom > 1.05, peeks: view.peeks,
    finished: sheet.dataset.result === 'true', 'at-face': view.face !== ''})) canvas.classList.toggle(name, isOn);
  const handle = one('.overlay .handle'), percent = one('.tools .percent'), peek = one('[data-do=peek]');
  handle.tabIndex = isCompared ? 0 : -1;
  handle.setAttribute('aria-valuenow', Math.round(100 * view.line));
  const said = `${Math.round(100 * place.fit * view.zoom * devicePixelRatio)} %`;
  // Text that is set anew is a change, after which all is drawn again.
  if (percent.textContent !== said) percent.textContent = said;
  peek.disabled = !isCompared;
  peek.setAttribute('aria-pressed', view.peeks);
  askForDetail(place);
};
// Where more pixels of the screen show a picture than it has, and the photo has more: they are asked for, once.
let waiting = 0, awaited = '';
const askForDetail = ({sheet}) => {
  const isCoarse = img => img.complete && img.naturalWidth && img.dataset.sharp === 'false'
    && img.getBoundingClientRect().width * devicePixelRatio > 1.15 * img.naturalWidth;
  const face = sheet.querySelector('.mark[aria-pressed=true]')?.dataset.pick;
  const coarse = all('#canvas .before > img:first-child, #canvas .after > img').filter(img =>
    (!img.dataset.face || img.dataset.face === face) && isCoarse(img));
  const what = coarse.map(img => img.src).join();
  if (!coarse.length || what === view.asked || what === awaited) return;
  clearTimeout(waiting);
  awaited = what;
  waiting = setTimeout(() => { [view.asked, awaited] = [what, '']; ask('detail', true); }, 350);
};
let gliding = 0;
const glide = () => {
  one('#canvas')?.classList.add('glides');
  clearTimeout(gliding);
  gliding = setTimeout(() => { one('#canvas')?.classList.remove('glides'); draw(); }, 300);
  draw();
};
// Zoom by a factor, so that the point of the photo at (x, y) of the canvas stays where it is.
const zoomBy = (factor, x, y) => {
  const place = measure();
  if (!place) return;
  const [atX, atY] = [x ?? place.across / 2, y ?? place.down / 2];
  const pointX = view.x + (atX - place.across / 2) / place.width, pointY = view.y + (atY - place.down / 2) / place.height;
  const zoom = clamp(view.zoom * factor, 1, MOST_ZOOM);
  const grown = zoom / view.zoom;
  view.zoom = zoom;
  view.x = pointX - (atX - place.across / 2) / (place.width * grown);
  view.y = pointY - (atY - place.down / 2) / (place.height * grown);
  if (zoom === 1) view.face = '';
};
const showWhole = () => { Object.assign(view, {zoom: 1, x: .5, y: .5, face: ''}); glide(); };
const showFace = number => {
  const place = measure(), mark = one(`.mark[data-pick="${number}"]`);
  if (!place || !mark) return;
  const [x, y, width, height] = ['left', 'top', 'width', 'height'].map(name => parseFloat(mark.style[name]) / 100);
  const [fittedWidth, fittedHeight] = [place.width / view.zoom, place.height / view.zoom];
  const zoom = Math.min(place.across / (width * (1 + 2 * FACE_MARGIN) * fittedWidth),
    place.down / (height * (1 + 2 * FACE_MARGIN) * fittedHeight));
  Object.assign(view, {zoom: clamp(zoom, 1, MOST_ZOOM), x, y, face: String(number)});
  glide();
};
const chosenFace = () => one('.marks [aria-pressed=true]')?.dataset.pick;
onChange(draw);
document.addEventListener('load', event => { if (event.target.closest?.('#canvas')) draw(); }, true);
window.addEventListener('resize', draw);
const sizes = new ResizeObserver(draw);
onChange(() => { const canvas = one('#canvas'); if (canvas) sizes.observe(canvas); });

// ---- by pointer: drag to move, pinch to zoom, hold to see before; the line is dragged by its handle ----
const fingers = new Map();
let gesture = null;
const isPainting = () => one('#canvas')?.classList.contains('paints');
const inCanvas = event => {
  const box = one('#canvas').getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};
const spread = () => {
  const [a, b] = [...fingers.values()];
  return [Math.hypot(a[0] - b[0], a[1] - b[1]), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
};
const stopPeeking = () => { if (view.peeks) { view.peeks = false; draw(); } };
document.addEventListener('pointerdown', event => {
  if (!event.target.closest?.('#canvas') || event.button > 0) return;
  if (event.target.closest('.handle')) {
    gesture = {kind: 'line', hasMoved: false, isOnKnob: event.target.matches('i')};
    event.target.setPointerCapture(event.pointerId);
    return;
  }
  fingers.set(event.pointerId, inCanvas(event));
  if (isPainting() && fingers.size === 1) return;
  if (fingers.size === 2) { clearTimeout(gesture?.timer); gesture = {kind: 'pinch', before: spread(), hasMoved: true}; stopPeeking(); return; }
  gesture = {kind: 'move', from: inCanvas(event), hasMoved: false};
  if (!event.target.closest('.mark')) gesture.timer = setTimeout(() => {
    if (one('#canvas').classList.contains('compares')) { view.peeks = true; draw(); }
  }, 200);
});
document.addEventListener('pointermove', event => {
  const place = gesture && measure();
  if (!place) {
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, inCanvas(event));
    return;
  }
  const [x, y] = inCanvas(event);
  if (gesture.kind === 'line') {
    gesture.hasMoved = true;
    view.line = clamp(x / place.across, 0, 1);
    draw();
    return;
  }
  if (!fingers.has(event.pointerId)) return;
  const [oldX, oldY] = fingers.get(event.pointerId);
  fingers.set(event.pointerId, [x, y]);
  if (gesture.kind === 'pinch' && fingers.size === 2) {
    const now = spread();
    zoomBy(now[0] / Math.max(gesture.before[0], 1), now[1], now[2]);
    view.x -= (now[1] - gesture.before[1]) / measure().width;
    view.y -= (now[2] - gesture.before[2]) / measure().height;
    gesture.before = now;
    draw();
  } else if (gesture.kind === 'move') {
    if (!gesture.hasMoved && Math.hypot(x - gesture.from[0], y - gesture.from[1]) < 6) return;
    if (!gesture.hasMoved) clearTimeout(gesture.timer);
    gesture.hasMoved = true;
    if (view.peeks) return;
    view.x -= (x - oldX) / place.width;
    view.y -= (y - oldY) / place.height;
    draw();
  }
});
let isDragged = false;
const letGo = event => {
  fingers.delete(event.pointerId);
  if (!gesture) return;
  clearTimeout(gesture.timer);
  // A click on the line is meant for the face below it.
  if (gesture.kind === 'line' && !gesture.hasMoved && !gesture.isOnKnob && event.type === 'pointerup')
    document.elementsFromPoint(event.clientX, event.clientY).find(element => element.matches('.mark'))?.click();
  // A face on which a drag, or two fingers, end is not clicked.
  isDragged = gesture.kind !== 'line' && gesture.hasMoved;
  setTimeout(() => { isDragged = false; });
  if (!fingers.size) gesture = null; else gesture = {kind: 'move', from: [...fingers.values()][0], hasMoved: true};
  stopPeeking();
};
document.addEventListener('pointerup', letGo);
document.addEventListener('pointercancel', letGo);
document.addEventListener('wheel', event => {
  if (!event.target.closest?.('#canvas')) return;
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 20 : 1) * (event.ctrlKey ? .01 : .0016)), ...inCanvas(event));
  draw();
}, {passive: false});
document.addEventListener('contextmenu', event => { if (view.peeks) event.preventDefault(); });
document.addEventListener('dragstart', event => { if (event.target.closest?.('#canvas')) event.preventDefault(); });

// ---- by click ----
const hold = isOn => { view.peeks = isOn; draw(); };
const setMasks = isOn => {
  one('[data-do=masks]').setAttribute('aria-pressed', isOn);
  ask('masks', isOn);
};
const actions = {
  fit: showWhole,
  in: () => { zoomBy(1.5); glide(); },
  out: () => { zoomBy(1 / 1.5); glide(); },
  masks: () => setMasks(one('[data-do=masks]').getAttribute('aria-pressed') !== 'true'),
  help: () => { const sheet = one('dialog.help'); if (!sheet.open) sheet.showModal(); },
};
document.addEventListener('click', event => {
  if (isDragged && event.target.closest?.('#canvas')) { event.stopPropagation(); event.preventDefault(); return; }
  const face = event.target.closest?.('[data-group=face]');
  if (face) showFace(face.dataset.pick);
  const offer = event.target.closest?.('.offer');
  if (offer) showFace(offer.dataset.pick.slice('offer-'.length));
  actions[event.target.closest?.('[data-do]')?.dataset.do]?.();
}, true);
document.addEventListener('pointerdown', event => { if (event.target.closest?.('[data-do=peek]')) hold(true); });
document.addEventListener('keydown', event => {
  if (event.target.closest?.('[data-do=peek]') && [' ', 'Enter'].includes(event.key)) hold(true);
});
document.addEventListener('keyup', event => { if (view.peeks && [' ', 'Enter', 'b', 'B'].includes(event.key)) hold(false); });
window.addEventListener('blur', stopPeeking);
// What is set for a face is seen on that face.
document.addEventListener('input', event => {
  if (event.target.closest?.('#settings') && view.face !== chosenFace()) showFace(chosenFace());
});

// ---- by key ----
document.addEventListener('keydown', event => {
  const handle = event.target.closest?.('.handle');
  if (handle) {
    const to = {ArrowLeft: view.line - .05, ArrowRight: view.line + .05, ArrowDown: view.line - .05,
      ArrowUp: view.line + .05, PageDown: view.line - .2, PageUp: view.line + .2, Home: 0, End: 1}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    view.line = clamp(to, 0, 1);
    draw();
    return;
  }
  const step = event.target.closest?.('.view') && {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  const place = step && measure();
  if (place) {
    event.preventDefault();
    view.x += step[0] * .1 * place.across / place.width;
    view.y += step[1] * .1 * place.down / place.height;
    draw();
  }
});
const press = selector => { const button = one(selector); if (isThere(button)) button.click(); };
const pressNext = (selector, step) => {
  const buttons = all(selector), now = buttons.findIndex(button => button.getAttribute('aria-pressed') === 'true');
  const isNew = selector.includes('cards') && view.face === '';
  buttons[(Math.max(now, 0) + (isNew || now < 0 ? 0 : step) + buttons.length) % buttons.length]?.click();
};
const KEYS = {
  f: () => pressNext('.cards [data-group=face]', 1),
  F: () => pressNext('.cards [data-group=face]', -1),
  '[': () => pressNext('.photos [data-group=photo]', -1),
  ']': () => pressNext('.photos [data-group=photo]', 1),
  b: () => { if (one('#canvas').classList.contains('compares')) hold(true); },
  '+': actions.in,
  '=': actions.in,
  '-': actions.out,
  0: actions.fit,
  m: () => press('[data-do=masks]'),
  p: () => press('[data-do=brush]'),
  '?': actions.help,
  Escape: () => isPainting() ? press('.brushes [data-do=brush]') : showWhole(),
};
// Keys of one letter come by accident to those who speak to their computer: they can be turned off.
let areKeysOn = true;
try { areKeysOn = localStorage.getItem('keys') !== 'off'; } catch { /* a browser that remembers nothing */ }
document.addEventListener('keydown', event => {
  if (!measure() || one('dialog[open]') || event.altKey || isField(event.target)) return;
  if ((event.ctrlKey || event.metaKey) && event.key === 'Enter') { event.preventDefault(); press('#make'); return; }
  if (event.ctrlKey || event.metaKey || event.repeat && !'+-='.includes(event.key)) return;
  if (event.key !== 'Escape' && !areKeysOn) return;
  const action = KEYS[event.key];
  if (action) { event.preventDefault(); action(); }
});
onChange(() => { const box = one('.keys-on'); if (box) box.checked = areKeysOn; });
document.addEventListener('change', event => {
  if (!event.target.matches?.('.keys-on')) return;
  areKeysOn = event.target.checked;
  try { localStorage.setItem('keys', areKeysOn ? 'on' : 'off'); } catch { /* as above */ }
});
