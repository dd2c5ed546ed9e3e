// The page of `heed report`: what training runs wrote down, laid over each other.
const alarms = data.runs.flatMap(run => run.alarms.map(alarm => (data.runs.length > 1 ? run.name + ': ' : '') + alarm));
if (alarms.length) section('alarms', 'Alarms').append(make('ul', {}, alarms.map(alarm => make('li', { text: alarm }))));

const known = [
  ['loss', 'Loss', 'nats per token before each update', true], ['validation_loss', 'Validation loss', 'on data that is not trained on', true],
  ['grad_norm', 'Norm of the gradient', 'before clipping', true], ['lr', 'Learning rate', '', false],
  ['tokens_per_second', 'Tokens per second', 'on this machine', false]];
const names = new Set(data.runs.flatMap(run => run.rows.flatMap(row => Object.keys(row))));
for (const more of names) if (!['step', 'tokens', 'sample', ...known.map(k => k[0])].includes(more)) known.push([more, more.replaceAll('_', ' '), '', false]);

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
      xText: x => Math.round(x), yText: y => name === 'tokens_per_second' ? counted(y, '') : short(y),
      lines: lines.map(line => ({ ...line, points: smoothed(line.points, +smooth.value), dots: line.points.length < 40 })) }));
  }
  smooth.addEventListener('input', show); log.addEventListener('change', show);
  readout.textContent = lines.map(line => {
    const best = line.points.reduce((a, b) => b[1] < a[1] ? b : a), last = line.points[line.points.length - 1];
    return `${line.name}: last ${short(last[1])} at step ${last[0]}` + (canSmooth ? `, least ${short(best[1])} at step ${best[0]}` : '');
  }).join('; ');
  body.append(make('div', { class: 'controls' }, canSmooth ? make('label', {}, 'smooth', smooth) : null, make('label', {}, log, 'logarithmic')), holder, readout);
  show();
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
