// The page of `heed report`: what training runs wrote down, laid over each other.
const alarms = data.runs.flatMap(run => run.alarms.map(alarm => (data.runs.length > 1 ? run.name + ': ' : '') + alarm));
if (alarms.length) section('alarms', 'Alarms').append(make('ul', {}, alarms.map(alarm => make('li', { text: alarm }))));

const known = [
  ['loss', 'Loss', 'nats per token before each update', true], ['validation_loss', 'Validation loss', 'on data that is not trained on', true],
  ['grad_norm', 'Norm of the gradient', 'before clipping', true], ['lr', 'Learning rate', '', false],
  ['noise_scale', 'Noise scale', 'tokens of a batch that is worth its price: far below it a batch twice as large saves nearly half of the steps, far above it next to none', true],
  ['tokens_per_second', 'Tokens per second', 'on this machine', false]];
const names = new Set(data.runs.flatMap(run => run.rows.flatMap(row => Object.keys(row))));
for (const more of names) if (!['step', 'tokens', 'sample', 'layers', ...known.map(k => k[0])].includes(more)) known.push([more, more.replaceAll('_', ' '), '', false]);

function smoothed(points, share) {
  if (!share) return points;
  let mean = points.length ? points[0][1] : 0;
  return points.map(([x, y]) => [x, mean = share * mean + (1 - share) * y]);
}
for (const [name, title, note, canSmooth] of known) {
  const lines = data.runs.map(run => ({ name: run.name, points: run.rows.filter(row => Number.isFinite(row[name])).map(row => [row.step, row[name]]) })).filter(line => line.points.length);
  if (!lines.length) continue;
  const body = section(name, title, note);
  const holder = make('div'), readout = make('p', { class: 'quiet' });
  const smooth = make('input', { type: 'range', id: name + '-smooth', min: 0, max: .98, step: .02, value: 0 });
  const log = make('input', { type: 'checkbox', id: name + '-log' });
  function show() {
    holder.replaceChildren(curves({ label: title + ' by step', xName: 'step', yName: title, logarithmic: log.checked, width: 860, height: 300,
      xText: x => Math.round(x), yText: name === 'tokens_per_second' ? y => counted(y, '') : null,
      lines: lines.map(line => ({ ...line, points: smoothed(line.points, +smooth.value), dots: line.points.length < 40 })) }));
  }
  smooth.addEventListener('input', show); log.addEventListener('change', show);
  readout.textContent = lines.map(line => {
    const best = line.points.reduce((a, b) => b[1] < a[1] ? b : a), last = line.points[line.points.length - 1];
    return `${line.name}: last ${name === 'tokens_per_second' ? counted(last[1], '') : short(last[1])} at step ${last[0]}` + (canSmooth ? `, least ${short(best[1])} at step ${best[0]}` : '');
  }).join('; ');
  body.append(make('div', { class: 'controls' }, canSmooth ? make('label', {}, 'smooth', smooth) : null, make('label', {}, log, 'logarithmic')), holder, readout);
  show();
}

// ---- norms of gradients by layer: a map of layers and steps, and the curve of the layer that is chosen in it
{
  const body = section('layers', 'Gradients by layer', 'The norm of each layer’s gradient before clipping. Where a run goes wrong, the layer where it begins stands out.');
  const logged = data.runs.filter(run => run.layers.length);
  if (!logged.length) body.append(make('p', { text: 'These runs have no norms by layer: heed train --log FILE --log-layers writes them, at the cost of one look at every gradient per step. heed replay RUN --step N shows those of one step of a run that is over.' }));
  const holder = make('div'), least = 1e-30;
  const choose = name => {
    const lines = logged.map(run => ({ name: run.name, at: run.layers.indexOf(name), rows: run.rows })).filter(line => line.at >= 0)
      .map(line => ({ name: line.name, points: line.rows.filter(row => row.layers && Number.isFinite(row.layers[line.at])).map(row => [row.step, row.layers[line.at]]) }));
    holder.replaceChildren(make('h3', { text: name }), curves({ label: 'norm of the gradient of ' + name + ' by step', xName: 'step', yName: 'norm', logarithmic: true, width: 860, xText: x => Math.round(x),
      lines: lines.map(line => ({ ...line, dots: line.points.length < 40 })) }));
  };
  for (const run of logged) {
    const rows = run.rows.filter(row => row.layers), group = Math.ceil(rows.length / 160), columns = Math.ceil(rows.length / group);
    const mean = (layer, column) => {
      const part = rows.slice(column * group, (column + 1) * group).map(row => row.layers[layer]).filter(Number.isFinite);
      return part.length ? part.reduce((sum, norm) => sum + norm, 0) / part.length : NaN;
    };
    const norms = run.layers.map((_, layer) => Array.from({ length: columns }, (_, column) => mean(layer, column)));
    const logs = norms.flat().filter(norm => norm > least).map(Math.log);
    const low = logs.reduce((a, b) => Math.min(a, b), Infinity), high = logs.reduce((a, b) => Math.max(a, b), -Infinity);
    const steps = column => { const part = rows.slice(column * group, (column + 1) * group); return part.length > 1 ? `steps ${part[0].step}–${part[part.length - 1].step}, mean` : `step ${part[0].step}`; };
    const map = heatMap({ rows: run.layers.length, columns, cell: 22, maximum: 860, label: 'Norms of gradients of ' + run.name + ', layers by steps',
      value: (layer, column) => norms[layer][column] > least ? .04 + .96 * ((Math.log(norms[layer][column]) - low) / (high - low || 1)) ** 2 : 0,
      tell: (layer, column) => `${run.layers[layer]}, ${steps(column)}: ${short(norms[layer][column])}`, onChoose: layer => choose(run.layers[layer]) });
    body.append(make('h3', { text: run.name }), make('p', { class: 'quiet', text: `A row for each layer from ${run.layers[0]} to ${run.layers[run.layers.length - 1]}, a column for each ${group > 1 ? group + ' steps' : 'step'}; the darker, the larger, from ${short(Math.exp(low))} to ${short(Math.exp(high))} on a logarithmic scale. A click or Enter shows a layer’s curve.` }),
      make('div', { class: 'scroll' }, map.canvas), map.readout);
  }
  body.append(holder);
  if (logged.length) choose(logged[0].layers[0]);
}
const samples = data.runs.flatMap(run => run.rows.filter(row => row.sample).map(row => [run.name, String(row.step), row.sample]));
if (samples.length) section('samples', 'Samples', 'What the model wrote at each of these steps.').append(table(['run', { name: 'step', number: true }, { name: 'text', word: true }], samples));
const settings = section('settings', 'Settings', 'What the runs were started with; what differs is marked.');
const options = [...new Set(data.runs.flatMap(run => run.settings.map(setting => setting[0])))];
settings.append(options.length ? table(['option', ...data.runs.map(run => run.name)], options.map(option => {
  const values = data.runs.map(run => (run.settings.find(setting => setting[0] === option) || ['', '—'])[1]);
  const differs = new Set(values).size > 1;
  return [option, ...values.map(value => make('span', { text: value, style: differs ? 'background:var(--mark)' : '' }))];
})) : make('p', { text: 'No options were kept beside these logs.' }));
