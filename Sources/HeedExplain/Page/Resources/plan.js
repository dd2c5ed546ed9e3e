// The page of `heed plan`: what a model costs before anything runs.
const total = data.parameters;
const share = x => make('span', { class: 'bar', style: `width:${(x * 12).toFixed(2)}em` });
section('parameters', 'Parameters', `${total.toLocaleString('en')} learned numbers, by part.`).append(
  table(['part', { name: 'numbers', number: true }, { name: 'share', number: true }, ''],
    Object.entries(data.parameters_by_part).map(([name, count]) => [name, count.toLocaleString('en'), percent(count / total), share(count / total)])));
section('work', 'Work', `One step of ${data.batch} × ${data.context} tokens; a multiply-add counts two operations.`).append(
  table(['', { name: 'operations', number: true }, { name: 'on this machine', number: true }], [
    ['forward', counted(data.operations.forward, 'FLOP'), short(data.seconds_per_forward_pass) + ' s'],
    ['backward', counted(data.operations.backward, 'FLOP'), short(data.seconds_per_step - data.seconds_per_forward_pass) + ' s'],
    ['a training step', counted(data.operations.step, 'FLOP'), short(data.seconds_per_step) + ' s']]),
  make('p', { class: 'quiet', text: `${counted(data.measured_operations_per_second, 'FLOP/s')} measured with one layer of this width on ${data.threads} ${data.threads === 1 ? 'thread' : 'threads'}; ${counted(data.training_tokens_per_second, 'tokens/s')} in training.` }));
{
  const training = [['weights', data.bytes.weights], ['gradients', data.bytes.gradients], ['the two moments of AdamW', data.bytes.optimiser], ['activations', data.bytes.activations]];
  const running = [['weights', data.bytes.inference_weights], ['activations', data.bytes.inference_activations], ['cache of keys and values', data.bytes.cache], ['the program itself', data.bytes.program]];
  const most = Math.max(...[...training, ...running].map(part => part[1]));
  const rows = parts => parts.map(([name, bytes]) => [name, bytesText(bytes), share(bytes / most)]);
  section('memory', 'Memory', 'What a step needs at the same time.').append(make('div', { class: 'pair' },
    make('div', {}, make('h3', { text: 'Training: ' + bytesText(data.bytes.training) }), table(['', { name: 'bytes', number: true }, ''], rows(training))),
    make('div', {}, make('h3', { text: 'Running: ' + bytesText(data.bytes.running) }), table(['', { name: 'bytes', number: true }, ''], rows(running)))));
}
if (data.curves) {
  const c = data.curves, body = section('curves', 'How work grows with the text', 'The work of all blocks for n tokens at once: attention’s scores and sums grow with n² · d, the matrices with n · d².');
  const lengths = Array.from({ length: 65 }, (_, i) => Math.max(1, Math.round(c.context * i / 64)));
  const meets = c.context && c.operations_per_key ? 2 * c.operations_per_token / c.operations_per_key : 0;
  const operations = y => counted(y, 'FLOP');
  body.append(
    curves({ label: 'operations for a text of n tokens', xName: 'tokens', yName: 'operations', xText: x => Math.round(x), yText: operations, width: 860,
      lines: [{ name: 'matrices: n · d²', points: lengths.map(n => [n, n * c.operations_per_token]) }, { name: 'attention: n² · d', points: lengths.map(n => [n, n * n / 2 * c.operations_per_key]) }] }),
    make('p', { class: 'quiet', text: meets > c.context ? `Within the context of ${c.context} tokens matrices take more; attention would take as much at ${Math.round(meets).toLocaleString('en')} tokens.` : `Attention takes more from ${Math.round(meets).toLocaleString('en')} tokens on.` }),
    make('h3', { text: 'The next token, with and without cache' }),
    curves({ label: 'operations for the next token', xName: 'tokens before it', yName: 'operations', logarithmic: true, xText: x => Math.round(x), yText: operations, width: 860,
      lines: [{ name: 'with cache', points: lengths.map(n => [n, c.operations_per_token + n * c.operations_per_key]) }, { name: 'without: all of it again', dashed: true, points: lengths.map(n => [n, n * (c.operations_per_token + n / 2 * c.operations_per_key)]) }] }));
  if (c.measured.length) body.append(make('h3', { text: 'A prompt, measured on this machine' }),
    make('p', { class: 'quiet', text: 'Some blocks over n tokens, scaled to all, beside the operations at the rate above.' }),
    curves({ label: 'seconds for n tokens, measured and expected', xName: 'tokens', yName: 'seconds', xText: x => Math.round(x), width: 860,
      lines: [{ name: 'measured', dots: true, points: c.measured }, { name: 'expected', dashed: true, points: c.measured.map(([n]) => [n, n * (c.operations_per_token + n / 2 * c.operations_per_key) / data.measured_operations_per_second]) }] }),
    table([{ name: 'tokens', number: true }, { name: 'seconds', number: true }, { name: 'operations per second', number: true }], c.measured.map(([n, s]) => [String(n), s.toPrecision(3), counted(n * (c.operations_per_token + n / 2 * c.operations_per_key) / s, 'FLOP/s')])));
  if (c.measured_cached.length) {
    // A token alone reads every weight, and the keys and values before it: the memory's rate from the shortest text.
    const moved = n => c.weight_bytes + n * c.cache_bytes_per_token, [least, quickest] = c.measured_cached[0];
    const bandwidth = moved(least) / quickest, withCache = c.measured_cached.map(([n, s]) => [n, s]);
    const wholly = n => n * (c.operations_per_token + n / 2 * c.operations_per_key) / data.measured_operations_per_second;
    body.append(make('h3', { text: 'The next token, measured on this machine' }),
      make('p', { class: 'quiet', text: `With a cache a token moves the weights (${bytesText(c.weight_bytes)}) and the keys and values before it, here at ${bytesText(bandwidth)}/s as the shortest text had it; without one it is the whole text again.` }),
      curves({ label: 'seconds for the next token', xName: 'tokens before it', yName: 'seconds', logarithmic: true, xText: x => Math.round(x), width: 860,
        lines: [{ name: 'with cache', dots: true, points: withCache }, { name: 'weights and cache moved', dashed: true, points: withCache.map(([n]) => [n, moved(n) / bandwidth]) },
          { name: 'without cache', dots: true, points: c.measured }, { name: 'all operations again', dashed: true, points: c.measured.map(([n]) => [n, wholly(n)]) }] }),
      table([{ name: 'tokens before it', number: true }, { name: 'with cache, s', number: true }, { name: 'expected, s', number: true }, { name: 'without, s', number: true }, { name: 'expected, s', number: true }],
        c.measured_cached.map(([n, s], i) => [String(n), s.toPrecision(3), (moved(n) / bandwidth).toPrecision(3), c.measured[i][1].toPrecision(3), wholly(n).toPrecision(3)])),
      make('h3', { text: 'Bytes of the cache' }),
      make('p', { class: 'quiet', text: `2 · layers · heads · width · 4 = ${c.cache_bytes_per_token.toLocaleString('en')} bytes a token as 32-bit floats, in whole pages of 64 tokens.` }),
      curves({ label: 'bytes of the cache for n tokens', xName: 'tokens', yName: 'bytes', xText: x => Math.round(x), yText: bytesText, width: 860,
        lines: [{ name: 'pages', dots: true, points: c.measured_cached.map(([n, , bytes]) => [n, bytes]) }, { name: 'formula', dashed: true, points: c.measured_cached.map(([n]) => [n, n * c.cache_bytes_per_token]) }] }));
  }
}
