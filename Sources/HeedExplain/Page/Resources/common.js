'use strict';
// What every page needs: its data, elements, numbers, maps and curves. Text never becomes markup.
const data = JSON.parse(document.getElementById('data').textContent);
const root = document.getElementById('content');

function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'text') element.textContent = value;
    else if (key === 'value') element.value = value;
    else element.setAttribute(key, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
  return element;
}

function drawn(name, properties = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'text') element.textContent = value; else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function section(id, title, note) {
  const body = make('section', { id, 'aria-labelledby': id + '-title' }, make('h2', { id: id + '-title', text: title }));
  if (note) body.append(make('p', { class: 'quiet', text: note }));
  root.append(body);
  document.getElementById('sections').append(make('a', { href: '#' + id, text: title }));
  return body;
}

function short(x) {
  if (!Number.isFinite(x)) return String(x);
  const size = Math.abs(x);
  if (size === 0) return '0';
  if (size >= 1e4 || size < 1e-3) return x.toExponential(1).replace('e+', 'e').replaceAll('-', '−');
  return x.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3).replace('-', '−');
}
function percent(p) { return (100 * p).toFixed(2) + ' %'; }
function counted(x, unit) {
  const names = ['', 'k', 'M', 'G', 'T', 'P'];
  let n = 0;
  while (x >= 1000 && n + 1 < names.length) { x /= 1000; n++; }
  return (x < 100 && n > 0 ? x.toFixed(1) : x.toFixed(0)) + ' ' + names[n] + unit;
}
function bytesText(x) {
  const names = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let n = 0;
  while (x >= 1024 && n + 1 < names.length) { x /= 1024; n++; }
  return (n > 0 && x < 100 ? x.toFixed(1) : x.toFixed(0)) + ' ' + names[n];
}

// Base64 of little-endian numbers.
function unpack(text, Kind) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Kind(bytes.buffer);
}

function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
const repaints = [];
function onPaint(paint) { repaints.push(paint); paint(); }
function forget(paint) { if (repaints.includes(paint)) repaints.splice(repaints.indexOf(paint), 1); }
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => repaints.forEach(paint => paint()));
document.getElementById('scheme').addEventListener('click', () => {
  const set = document.documentElement.dataset;
  const dark = set.scheme ? set.scheme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  set.scheme = dark ? 'light' : 'dark';
  repaints.forEach(paint => paint());
});

function mix(from, to, share) {
  const number = (text, at) => parseInt(text.slice(at, at + 2), 16);
  const part = at => Math.round(number(from, at) + (number(to, at) - number(from, at)) * share);
  return `rgb(${part(1)},${part(3)},${part(5)})`;
}

// A map of rows × columns on a canvas, with a cursor for mouse and keyboard. `value(row, column)` is from −1 to 1;
// `tell(row, column)` is what is said of a cell.
function heatMap({ rows, columns, value, tell, label, cell, onChoose, maximum = 560 }) {
  const size = Math.max(1, Math.min(cell || 28, Math.floor(maximum / Math.max(rows, columns))));
  const scale = Math.max(1, Math.floor(Math.min(devicePixelRatio || 1, 2)));
  const canvas = make('canvas', { tabindex: 0, role: 'img', 'aria-label': label + '. Arrow keys move the cursor.' });
  const readout = make('div', { class: 'readout', 'aria-live': 'polite', text: 'Point at a cell, or move with the arrow keys.' });
  let [cursorRow, cursorColumn] = [-1, -1];
  function paint() {
    canvas.width = columns * size * scale; canvas.height = rows * size * scale;
    canvas.style.width = columns * size + 'px';
    const context = canvas.getContext('2d');
    const [ground, up, down] = [colour('--paper'), colour('--accent'), colour('--against')];
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
      const v = value(r, c);
      if (v === 0) continue;
      context.fillStyle = mix(ground, v > 0 ? up : down, Math.min(1, Math.sqrt(Math.abs(v))));
      context.fillRect(c * size * scale, r * size * scale, size * scale, size * scale);
    }
    if (cursorRow >= 0) {
      context.strokeStyle = colour('--ink'); context.lineWidth = scale;
      const extent = Math.max(size, 3) * scale;
      context.strokeRect(cursorColumn * size * scale + .5, cursorRow * size * scale + .5, extent - 1, extent - 1);
    }
  }
  function move(r, c) {
    cursorRow = Math.min(Math.max(r, 0), rows - 1); cursorColumn = Math.min(Math.max(c, 0), columns - 1);
    readout.textContent = tell(cursorRow, cursorColumn);
    paint();
  }
  const place = event => {
    const box = canvas.getBoundingClientRect();
    return [Math.floor((event.clientY - box.top) / box.height * rows), Math.floor((event.clientX - box.left) / box.width * columns)];
  };
  canvas.addEventListener('pointermove', event => move(...place(event)));
  canvas.addEventListener('click', event => { move(...place(event)); if (onChoose) onChoose(cursorRow, cursorColumn); });
  canvas.addEventListener('keydown', event => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step) { event.preventDefault(); move(Math.max(cursorRow, 0) + step[0], Math.max(cursorColumn, 0) + step[1]); }
    if (event.key === 'Enter' && onChoose && cursorRow >= 0) onChoose(cursorRow, cursorColumn);
  });
  onPaint(paint);
  return { canvas, readout, move, paint };
}

// A number beside an axis, with as many digits as neighbours need to differ.
function tick(y, span) {
  const size = Math.abs(y);
  if (size !== 0 && (size >= 1e5 || span < 1e-3)) return y.toExponential(1).replace('e+', 'e').replaceAll('-', '−');
  return y.toFixed(Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(span || 1))))).replace('-', '−');
}

// Curves over x: [{name, points: [[x, y], …], colour}], axes labelled. Drawn for the room that there is.
function curves({ lines, xName, yName, label, width = 640, height = 260, logarithmic = false, xText = short, yText = null }) {
  const points = lines.flatMap(line => line.points).filter(p => Number.isFinite(p[1]) && (!logarithmic || p[1] > 0));
  const holder = make('div');
  const palette = ['var(--accent)', 'var(--against)', 'var(--for)', 'var(--quiet)'];
  const map = y => logarithmic ? Math.log10(y) : y;
  const [x0, x1] = [Math.min(...points.map(p => p[0])), Math.max(...points.map(p => p[0]))];
  let [y0, y1] = [Math.min(...points.map(p => map(p[1]))), Math.max(...points.map(p => map(p[1])))];
  if (y0 === y1) { y0 -= 1; y1 += 1; }
  const text = yText || (logarithmic ? short : y => tick(y, y1 - y0));
  function draw(width) {
    const figure = drawn('svg', { viewBox: `0 0 ${width} ${height}`, width, role: 'img', 'aria-label': label });
    const [left, right, top, bottom] = [88, 30, 22, 40];
    const px = x => left + (x1 > x0 ? (x - x0) / (x1 - x0) : .5) * (width - left - right);
    const py = y => height - bottom - (map(y) - y0) / (y1 - y0) * (height - top - bottom);
    for (let i = 0; points.length && i <= 4; i++) {
      const level = y0 + (y1 - y0) * i / 4, y = logarithmic ? 10 ** level : level, x = x0 + (x1 - x0) * i / 4;
      figure.append(
        drawn('line', { x1: left, x2: width - right, y1: py(y), y2: py(y), stroke: 'var(--line)' }),
        drawn('text', { x: left - 6, y: py(y) + 4, 'text-anchor': 'end', text: text(y) }),
        drawn('text', { x: px(x), y: height - bottom + 16, 'text-anchor': 'middle', text: xText(x) }));
    }
    figure.append(drawn('text', { x: left, y: 12, text: yName }),
      drawn('text', { x: width - right, y: height - 6, 'text-anchor': 'end', text: xName }));
    lines.forEach((line, i) => {
      const path = line.points.filter(p => Number.isFinite(p[1]) && (!logarithmic || p[1] > 0))
        .map((p, n) => (n ? 'L' : 'M') + px(p[0]).toFixed(1) + ' ' + py(p[1]).toFixed(1)).join('');
      figure.append(drawn('path', { d: path, fill: 'none', stroke: palette[i % 4], 'stroke-width': 2, 'stroke-dasharray': line.dashed ? '5 4' : 'none' }));
      if (line.dots) for (const p of line.points) figure.append(drawn('circle', { cx: px(p[0]), cy: py(p[1]), r: 3.5, fill: palette[i % 4] }));
    });
    holder.replaceChildren(figure);
  }
  let room = 0;
  new ResizeObserver(entries => {
    const wanted = Math.max(260, Math.min(width, Math.floor(entries[0].contentRect.width)));
    if (wanted !== room) draw(room = wanted);
  }).observe(holder);
  draw(room = Math.max(260, Math.min(width, document.documentElement.clientWidth - 60)));
  const legend = make('div', { class: 'controls quiet' }, lines.map((line, i) =>
    make('span', {}, make('span', { class: 'bar', style: `width:1.2em;height:.25em;vertical-align:middle;background:${palette[i % 4]}` }), ' ' + line.name)));
  return make('figure', { style: 'margin:.5rem 0' }, holder, legend);
}

function table(heads, rows, caption) {
  return make('div', { class: 'scroll' }, make('table', {},
    caption ? make('caption', { class: 'hidden', text: caption }) : null,
    make('thead', {}, make('tr', {}, heads.map(head => make('th', { scope: 'col', class: head.number ? 'number' : '', text: head.name || head })))),
    make('tbody', {}, rows.map(row => make('tr', {}, row.map((cell, i) => {
      const kind = heads[i].number ? 'number' : heads[i].word ? 'word' : '';
      return cell instanceof Node ? make('td', { class: kind }, cell) : make('td', { class: kind, text: cell });
    }))))));
}
