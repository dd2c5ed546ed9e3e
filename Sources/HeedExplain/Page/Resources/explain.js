// The page of `heed explain`: what happened in one pass, opened step by step.
const texts = data.texts;
const streams = data.streams;
const answering = streams[streams.length - 1];
const word = id => texts[id] ?? 'id ' + id;
const sourceWord = (stream, place) => stream.words[place];
const shown = text => '“' + text.replaceAll('\n', '⏎') + '”';

// ---- the text
for (const stream of streams) {
  const body = section('text-' + stream.name, streams.length > 1 ? (stream.name === 'encoder' ? 'Source' : 'Target so far') : 'Text',
    stream.ids.length + ' tokens. Each is a number in the vocabulary; the bytes of its text stand below it when you point at it.');
  const readout = make('div', { class: 'readout quiet', 'aria-live': 'polite' });
  const list = make('div', { class: 'tokens', role: 'list' });
  stream.ids.forEach((id, place) => {
    const bytes = [...new TextEncoder().encode(stream.words[place])].map(b => b.toString(16).padStart(2, '0')).join(' ');
    const say = () => { readout.textContent = `token ${place}: ${shown(stream.words[place])}, id ${id}, bytes ${bytes}`; };
    const chosen = stream === answering && place === data.position;
    list.append(make('span', { class: 'token' + (chosen ? ' chosen' : ''), role: 'listitem', tabindex: 0, text: stream.words[place], onpointerenter: say, onfocus: say, title: 'id ' + id }));
  });
  body.append(list, readout);
}

// ---- the flow
{
  const body = section('flow', 'Flow', 'Every operation in the order in which it ran. Open a stage, then a step: formula, shapes, cost, numbers and the way back.');
  const most = Math.max(...data.stages.map(stage => stage.operations));
  for (const stage of data.stages) {
    const box = make('details', { 'data-path': stage.path });
    box.append(make('summary', {}, make('b', { text: stage.path }),
      make('span', { class: 'quiet', text: `${stage.steps.length} step${stage.steps.length === 1 ? '' : 's'}, ${counted(stage.operations, 'FLOP')}, ${bytesText(stage.bytes)}` }),
      make('span', { class: 'bar', style: `width:${(stage.operations / most * 6).toFixed(2)}em`, title: 'share of the work' })));
    // Steps are made when a stage is opened: a page of many blocks stays light.
    box.addEventListener('toggle', () => {
      if (box.open && box.children.length === 1) for (const step of stage.steps) box.append(stepBox(step));
    });
    body.append(box);
  }
}
function summaryText(values) {
  return `from ${short(values.least)} to ${short(values.greatest)}, mean ${short(values.mean)}, root of mean square ${short(values.root_mean_square)}`
    + (values.not_finite ? `, ${values.not_finite} not finite` : '');
}
function stepBox(step) {
  const shape = '[' + step.shape.join(', ') + ']';
  const inputs = step.inputs.map(input => '[' + input.shape.join(', ') + ']').join(', ');
  const box = make('details', { 'data-place': step.place },
    make('summary', {}, make('b', { text: step.operation }), make('span', { class: 'formula', text: step.formula }), make('span', { class: 'quiet', text: shape })));
  box.addEventListener('toggle', () => {
    if (!box.open || box.children.length > 1) return;
    box.append(
      make('p', { class: 'quiet', text: `${step.path} · step ${step.place} · ${inputs ? inputs + ' → ' : ''}${shape} · ${counted(step.operations, 'FLOP')}, ${bytesText(step.bytes)}` }),
      make('p', { text: 'Values ' + summaryText(step.values) }));
    for (const parameter of step.parameters) box.append(make('div', { class: 'quiet', text: `learned: ${parameter.name} [${parameter.shape.join(', ')}]` }));
    if (step.gradient) box.append(make('p', {}, make('span', { class: 'formula back', text: step.gradient_formula }), make('br'), 'Gradient of the answer’s logit ' + summaryText(step.gradient)));
    if (step.row) {
      const row = unpack(step.row, Float32Array);
      const largest = row.reduce((m, x) => Math.max(m, Math.abs(x)), 1e-30);
      const wide = Math.min(row.length, 96);
      const map = heatMap({ rows: Math.ceil(row.length / wide), columns: wide, cell: 9, maximum: 864, label: `The ${row.length} numbers of the explained row`,
        value: (r, c) => r * wide + c < row.length ? row[r * wide + c] / largest : 0,
        tell: (r, c) => r * wide + c < row.length ? `column ${r * wide + c}: ${row[r * wide + c]}` : '' });
      box.append(make('div', { class: 'quiet', text: `The row of the explained position, ${row.length} numbers, blue above zero and red below:` }),
        make('div', { class: 'scroll' }, map.canvas), map.readout,
        make('details', {}, make('summary', { text: 'as numbers' }), make('div', { class: 'numbers', tabindex: 0, text: [...row].join('  ') })));
    }
    if (step.parts) box.append(make('h3', { text: 'Step by step' }),
      make('p', { class: 'quiet', text: `The kernel takes these together and writes none down; here they are for row ${step.parts[0].row} of every head. Bytes are what each would take by itself.` }),
      ...step.parts.map(partBox));
  });
  return box;
}
// A step within attention: scores, scale, offset, mask, softmax or sum.
function partBox(part) {
  const shape = '[' + part.shape.join(', ') + ']', [heads, , columns] = part.shape;
  const box = make('details', { 'data-part': part.step },
    make('summary', {}, make('b', { text: part.step }), make('span', { class: 'formula', text: part.formula }), make('span', { class: 'quiet', text: `${shape} · ${counted(part.operations, 'FLOP')}, ${bytesText(part.bytes)}` })));
  const grid = (text, what) => {
    const numbers = unpack(text, Float32Array);
    const largest = numbers.reduce((most, x) => Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most, 1e-30);
    const map = heatMap({ rows: heads, columns, cell: 22, maximum: 864, label: `${what} of row ${part.row}, heads by ${part.step === 'sum' ? 'columns' : 'keys'}`,
      value: (head, i) => Number.isFinite(numbers[head * columns + i]) ? numbers[head * columns + i] / largest : 0,
      tell: (head, i) => `head ${head}, ${part.step === 'sum' ? 'column' : 'key'} ${i}: ${Number.isFinite(numbers[head * columns + i]) ? numbers[head * columns + i] : 'hidden'}` });
    box.append(make('div', { class: 'scroll' }, map.canvas), map.readout);
  };
  box.addEventListener('toggle', () => {
    if (!box.open || box.children.length > 1) return;
    box.append(make('p', { text: 'Values ' + summaryText(part.values) }));
    if (part.numbers) grid(part.numbers, 'Values');
    else box.append(make('p', { class: 'quiet', text: 'The text is long: single numbers are left out of the page.' }));
    if (!part.gradient) return;
    box.append(make('p', {}, make('span', { class: 'formula back', text: part.gradient_formula }), make('br'), 'Gradient of the answer’s logit ' + summaryText(part.gradient)));
    if (part.gradient_numbers) grid(part.gradient_numbers, 'Gradient');
  });
  return box;
}

// ---- attention
if (data.attention.length) {
  const body = section('attention', 'Attention', 'Who reads whom: a row for each token that reads, a column for each that is read. '
    + `Weights come from the fast path; weights times values differ from its answers by at most ${short(data.largest_difference_of_weighted_sums)}.`);
  const kinds = [...new Set(data.attention.map(map => map.name))];
  const kindName = { attentions: 'self', encoder_attentions: 'encoder', decoder_attentions: 'decoder', cross_attentions: 'decoder to source' };
  const state = { kind: kinds[0], layer: 0, head: 0 };
  const kind = make('select', { 'aria-label': 'kind of attention' }, kinds.map(name => make('option', { value: name, text: kindName[name] || name })));
  const layer = make('select', { id: 'layer', 'aria-label': 'layer' }), head = make('select', { id: 'head', 'aria-label': 'head' });
  const holder = make('div'), overview = make('div', { class: 'scroll' });
  const cache = new Map();
  function weights(map) {
    if (!cache.has(map)) cache.set(map, { grid: unpack(map.grid, Uint16Array), row: unpack(map.row, Uint16Array) });
    return cache.get(map);
  }
  const maps = () => data.attention.filter(map => map.name === state.kind);
  function choose(values) {
    Object.assign(state, values);
    const all = maps();
    state.layer = Math.min(state.layer, all.length - 1);
    const map = all[state.layer];
    state.head = Math.min(state.head, map.heads - 1);
    layer.replaceChildren(...all.map((_, i) => make('option', { value: i, text: 'layer ' + i })));
    head.replaceChildren(...Array.from({ length: map.heads }, (_, i) => make('option', { value: i, text: 'head ' + i })));
    layer.value = state.layer; head.value = state.head;
    show(map);
  }
  function show(map) {
    const { grid, row } = weights(map);
    const readers = streams[map.reader], read = streams[map.read];
    const size = map.rows * map.columns, start = state.head * size;
    const perRow = map.row_block, perColumn = map.column_block;
    const range = (i, per, count) => per === 1 ? `${i}` : `${i * per}–${Math.min(count, (i + 1) * per) - 1}`;
    const name = (stream, i) => shown(stream.words[i]);
    const view = heatMap({ rows: map.rows, columns: map.columns, label: `Attention of layer ${state.layer}, head ${state.head}`,
      // In a long text each weight is small: shades by their root once more.
      value: (r, c) => (grid[start + r * map.columns + c] / 65535) ** (map.keys > 64 ? .5 : 1),
      tell: (r, c) => {
        const w = (grid[start + r * map.columns + c] / 65535).toFixed(4);
        return perRow === 1 && perColumn === 1 ? `${r} ${name(readers, r)} reads ${c} ${name(read, c)}: ${w}`
          : `rows ${range(r, perRow, map.queries)} read columns ${range(c, perColumn, map.keys)}: ${w} on average`;
      } });
    forget(state.map); state.map = view.paint;
    const last = row.subarray(state.head * map.keys, (state.head + 1) * map.keys);
    const top = [...last.keys()].sort((a, b) => last[b] - last[a]).slice(0, 12);
    holder.replaceChildren(make('div', { class: 'pair' },
      make('div', {}, view.canvas, view.readout, perRow > 1 ? make('p', { class: 'quiet', text: 'The text is long: each cell is the mean of several tokens.' }) : null),
      make('div', {}, make('h3', { text: `What row ${map.position} ${name(readers, map.position)} reads most` }),
        table([{ name: 'token', word: true }, { name: 'weight', number: true }, ''],
          top.map(i => [`${i} ${name(read, i)}`, (last[i] / 65535).toFixed(4), make('span', { class: 'bar', style: `width:${(last[i] / 65535 * 9).toFixed(2)}em` })])))));
  }
  const drawOverview = () => {
    const all = maps(), heads = Math.max(...all.map(map => map.heads));
    const focus = heatMap({ rows: all.length, columns: heads, cell: 22, label: 'All heads, layer by layer: how much each looks at one token',
      value: (l, h) => {
        const map = all[l]; if (h >= map.heads) return 0;
        const row = weights(map).row; let largest = 0;
        for (let i = 0; i < map.keys; i++) largest = Math.max(largest, row[h * map.keys + i]);
        return (largest / 65535) ** (map.keys > 64 ? .5 : 1);
      },
      tell: (l, h) => `layer ${l}, head ${h}: choose it with a click or Enter`, onChoose: (l, h) => choose({ layer: l, head: h }) });
    forget(state.overview); state.overview = focus.paint;
    overview.replaceChildren(make('h3', { text: 'All heads' }),
      make('p', { class: 'quiet', text: 'A row for each layer, a column for each head; the darker, the more its explained row reads one single token.' }), focus.canvas, focus.readout);
  };
  kind.addEventListener('change', () => { state.layer = state.head = 0; state.kind = kind.value; drawOverview(); choose({}); });
  layer.addEventListener('change', () => choose({ layer: +layer.value }));
  head.addEventListener('change', () => choose({ head: +head.value }));
  const next = by => {
    const all = maps(); let at = state.layer * all[0].heads + state.head + by;
    const count = all.length * all[0].heads; at = (at + count) % count;
    choose({ layer: Math.floor(at / all[0].heads), head: at % all[0].heads });
  };
  body.append(make('div', { class: 'controls' }, kinds.length > 1 ? kind : null, layer, head,
    make('button', { id: 'previous-head', text: '← head', onclick: () => next(-1) }), make('button', { id: 'next-head', text: 'head →', onclick: () => next(1) })), holder, overview);
  drawOverview();
  choose({});
}

// ---- lens
if (data.lens && data.lens.length) {
  const body = section('lens', 'Lens', 'What the model would answer if it stopped there: the stream before each block, read out as the answer is. The darker, the surer.');
  const columns = data.lens[0].length, width = 8;
  const slider = make('input', { type: 'range', id: 'lens-window', min: 0, max: Math.max(0, columns - width), value: Math.max(0, columns - width), 'aria-label': 'first token shown' });
  const holder = make('div', { class: 'scroll' }), readout = make('div', { class: 'readout', 'aria-live': 'polite' });
  function show() {
    const from = +slider.value, rows = [];
    for (let depth = data.lens.length - 1; depth >= 0; depth--) {
      const cells = data.lens[depth].slice(from, from + width).map((best, i) => {
        const say = () => { readout.textContent = `before block ${depth}, row ${data.answer_rows.length ? data.answer_rows[from + i] : 0}: ` + best.map(b => `${shown(word(b[0]))} ${percent(b[1])}`).join(', '); };
        const cell = make('td', { class: 'word', tabindex: 0, text: word(best[0][0]).slice(0, 12), onpointerenter: say, onfocus: say });
        cell.style.background = `color-mix(in srgb, var(--accent) ${Math.round(best[0][1] * 55)}%, transparent)`;
        return cell;
      });
      rows.push(make('tr', {}, make('th', { scope: 'row', text: depth === data.lens.length - 1 ? 'answer' : 'before block ' + depth }), cells));
    }
    const heads = (data.answer_rows.length ? data.answer_rows : [0]).slice(from, from + width);
    holder.replaceChildren(make('table', {}, make('thead', {}, make('tr', {}, make('th', { text: '' }),
      heads.map(row => make('th', { class: 'word', scope: 'col', text: row + ' ' + (data.answer_rows.length ? sourceWord(answering, row).slice(0, 12) : '') })))), make('tbody', {}, rows)));
  }
  slider.addEventListener('input', show);
  if (columns > width) body.append(make('div', { class: 'controls' }, make('label', {}, 'tokens', slider)));
  body.append(holder, readout);
  show();
}

// ---- the next token
if (data.logits) {
  const logits = unpack(data.logits, Float32Array);
  const body = section('next', 'Next token', 'p = softmax(z / temperature), cut to the likeliest k, then to those that make up p. Computed here, from all ' + logits.length + ' logits.');
  const order = [...logits.keys()].sort((a, b) => logits[b] - logits[a] || a - b);
  const control = (id, name, min, max, step, value) => {
    const input = make('input', { type: 'range', id, min, max, step, value }), output = make('output', { for: id });
    return { input, output, row: make('label', { for: id }, name, input, output) };
  };
  const temperature = control('temperature', 'temperature', .05, 2, .05, 1);
  const topK = control('top-k', 'top-k', 0, Math.min(200, logits.length), 1, 0);
  const topP = control('top-p', 'top-p', .01, 1, .01, 1);
  const holder = make('div', { id: 'distribution' }), said = make('p', { class: 'quiet', 'aria-live': 'polite' });
  function show() {
    const t = +temperature.input.value, k = +topK.input.value, p = +topP.input.value;
    temperature.output.value = t.toFixed(2); topK.output.value = k || 'off'; topP.output.value = p < 1 ? p.toFixed(2) : 'off';
    const largest = logits[order[0]];
    // Every id whose logit equals the k-th largest stays, as in generation.
    const limit = k ? logits[order[k - 1]] : -Infinity;
    let kept = order.filter(id => logits[id] >= limit);
    let powers = kept.map(id => Math.exp((logits[id] - largest) / t));
    let sum = powers.reduce((a, b) => a + b, 0);
    if (p < 1) {
      let mass = 0, count = 0;
      while (count < kept.length && mass < p) mass += powers[count++] / sum;
      kept = kept.slice(0, count); powers = powers.slice(0, count);
      sum = powers.reduce((a, b) => a + b, 0);
    }
    const entropy = powers.reduce((h, x) => x > 0 ? h - x / sum * Math.log2(x / sum) : h, 0);
    said.textContent = `${kept.length} of ${logits.length} remain; entropy ${entropy.toFixed(2)} bits`;
    holder.replaceChildren(table(['', { name: 'token', word: true }, { name: 'logit', number: true }, { name: 'probability', number: true }, ''],
      kept.slice(0, 20).map((id, i) => {
        const share = powers[i] / sum;
        const cell = make('span', { text: percent(share), 'data-id': id, 'data-probability': share });
        return [`${i + 1}`, shown(word(id)), short(logits[id]), cell, make('span', { class: 'bar', style: `width:${(share * 14).toFixed(2)}em` })];
      }), 'the likeliest tokens'));
  }
  for (const part of [temperature, topK, topP]) part.input.addEventListener('input', show);
  body.append(make('div', { class: 'controls' }, temperature.row, topK.row, topP.row,
    make('button', { id: 'reset', text: 'reset', onclick: () => { temperature.input.value = 1; topK.input.value = 0; topP.input.value = 1; show(); } })), said, holder);
  show();
}

// ---- readings
{
  const body = section('readings', 'Readings', data.target
    ? `What speaks for ${shown(data.target.text ?? 'id ' + data.target.id)} at position ${data.position}, logit ${data.target.logit.toFixed(4)}. None of this is a reason: it says what the answer is sensitive to.`
    : 'The model has no head, so there is no answer to hold readings against.');
  function signed(values, largest) {
    return make('span', { class: 'bar ' + (values < 0 ? 'against' : 'for'), style: `width:${(Math.abs(values) / largest * 8).toFixed(2)}em`, title: values < 0 ? 'against' : 'for' });
  }
  for (const reading of data.inputs) {
    const stream = streams[reading.stream];
    const order = [...reading.gradient_times_input.keys()].sort((a, b) => Math.abs(reading.gradient_times_input[b]) - Math.abs(reading.gradient_times_input[a])).slice(0, 32).sort((a, b) => a - b);
    const largest = Math.max(1e-30, ...reading.gradient_times_input.map(Math.abs));
    const integrated = reading.integrated_gradients, most = integrated ? Math.max(1e-30, ...integrated.map(Math.abs)) : 1;
    body.append(make('h3', { text: streams.length > 1 ? 'Tokens of the ' + (stream.name === 'encoder' ? 'source' : 'target') : 'Tokens' }),
      table([{ name: 'token', word: true }, { name: 'gradient × input', number: true }, '', ...(integrated ? [{ name: 'integrated', number: true }, ''] : [])],
        order.map(i => [`${i} ${shown(stream.words[i])}`, short(reading.gradient_times_input[i]), signed(reading.gradient_times_input[i], largest),
          ...(integrated ? [short(integrated[i]), signed(integrated[i], most)] : [])])));
  }
  if (data.logit_attribution) {
    const parts = data.logit_attribution.parts, largest = Math.max(1e-30, ...parts.map(part => Math.abs(part.value)));
    body.append(make('h3', { text: 'What each part adds to the logit directly' }),
      table(['part', { name: 'logit', number: true }, '', { name: 'its heads', word: true }], parts.map(part => [part.path, short(part.value), signed(part.value, largest), part.heads.map(short).join('  ')])),
      make('p', { class: 'quiet', text: `offsets add ${short(data.logit_attribution.rest)}; together ${short(parts.reduce((sum, part) => sum + part.value, data.logit_attribution.rest))}` }));
  }
  for (const grid of data.grids) {
    const moves = grid.logits.map(logit => logit - data.target.logit), largest = Math.max(1e-30, ...moves.map(Math.abs));
    const heads = /head/.test(grid.name);
    const map = heatMap({ rows: grid.rows, columns: grid.columns, cell: 22, label: grid.name,
      value: (r, c) => moves[r * grid.columns + c] / largest,
      tell: (r, c) => `block ${r}, ${heads ? 'head' : 'token'} ${c}: the logit becomes ${grid.logits[r * grid.columns + c].toFixed(4)}, moved by ${short(moves[r * grid.columns + c])}` });
    body.append(make('h3', { text: grid.name.replaceAll('_', ' ') }),
      make('p', { class: 'quiet', text: `A row for each block, a column for each ${heads ? 'head' : 'token'}; blue raises the logit, red lowers it, by up to ${short(largest)}.` }),
      make('div', { class: 'scroll' }, map.canvas), map.readout);
  }
  for (const rollout of data.rollouts) {
    const read = streams[rollout.read], values = rollout.row;
    const top = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, 12).sort((a, b) => a - b);
    body.append(make('h3', { text: rollout.name.replaceAll('_', ' ') + ': attention through all layers' }),
      table([{ name: 'token', word: true }, { name: 'share', number: true }, ''], top.map(i => [`${i} ${shown(read.words[i])}`, values[i].toFixed(4), make('span', { class: 'bar', style: `width:${(values[i] * 12).toFixed(2)}em` })])));
  }
  if (data.left_out.length) body.append(make('p', { class: 'quiet', text: 'Left out, because they take many passes: ' + data.left_out.join(', ') + '. heed explain --readings asks for them.' }));
}

// ---- the way back, checked
if (data.checks) {
  const off = data.checks.filter(check => !check.agrees).length;
  section('checks', 'Gradients, checked', 'The slope of the answer’s logit in one direction, by the gradient and by (L(x + h) − L(x − h)) / 2h: '
    + (off ? `${off} of ${data.checks.length} disagree.` : `all ${data.checks.length} agree.`)).append(
    table(['∂L/∂', 'operation', 'backward', 'shape', { name: 'size', number: true }, { name: 'by gradient', number: true }, { name: 'by differences', number: true }, { name: 'apart', number: true }],
      data.checks.map(check => [check.path, check.operation, make('span', { class: 'formula back', text: check.gradient_formula }), '[' + check.shape.join(', ') + ']', short(check.size),
        check.by_gradient.toFixed(5), check.by_differences.toFixed(5), (100 * check.error).toPrecision(2) + ' %' + (check.agrees ? '' : ' disagrees')])));
}

// ---- cost and cache
{
  const body = section('cost', 'Cost and cache', 'Operations (a multiply-add counts two) and bytes of each stage, and what keys and values take while a text grows.');
  const all = data.stages.reduce((sum, stage) => sum + stage.operations, 0);
  body.append(table(['stage', { name: 'operations', number: true }, { name: 'bytes', number: true }, { name: 'share', number: true }],
    data.stages.map(stage => [stage.path, counted(stage.operations, 'FLOP'), bytesText(stage.bytes), percent(stage.operations / all)])));
  if (data.cache_bytes_per_token) {
    const lengths = Array.from({ length: 65 }, (_, i) => Math.max(1, Math.round(data.context * i / 64)));
    const now = answering.ids.length;
    body.append(make('h3', { text: 'The cache of keys and values' }),
      make('p', { text: `${bytesText(data.cache_bytes_per_token)} for every token: ${bytesText(data.cache_bytes_per_token * now)} now, ${bytesText(data.cache_bytes_per_token * data.context)} at the whole context of ${data.context}.` }),
      curves({ label: 'bytes of the cache by tokens', xName: 'tokens', yName: 'cache', xText: x => Math.round(x), yText: bytesText,
        lines: [{ name: 'keys and values in 32 bits', points: lengths.map(n => [n, n * data.cache_bytes_per_token]) }] }),
      make('h3', { text: 'Work for the next token' }),
      make('p', { class: 'quiet', text: 'With the cache, a token meets each matrix once and every key before it; without, the whole text is computed again.' }),
      curves({ label: 'operations for the next token with and without cache', xName: 'tokens before it', yName: 'operations', logarithmic: true, xText: x => Math.round(x), yText: y => counted(y, 'FLOP'),
        lines: [{ name: 'with cache', points: lengths.map(n => [n, data.operations_per_token + n * data.operations_per_key]) },
          { name: 'without', dashed: true, points: lengths.map(n => [n, n * (data.operations_per_token + n / 2 * data.operations_per_key)]) }] }));
  }
}
