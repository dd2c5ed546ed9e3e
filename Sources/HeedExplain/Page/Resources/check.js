// The page of `heed check`: every gradient beside central differences.
const all = data.models.flatMap(model => model.checks.map(check => ({ ...check, model: model.name })));
const verdict = check => make('span', { text: (100 * check.error).toPrecision(2) + ' %' + (check.agrees ? '' : ' disagrees'), style: check.agrees ? '' : 'color:var(--against);font-weight:600' });
{
  const body = section('operations', 'Operations', 'The formula of each operation, that of its gradient, and the worst error of all checks. '
    + 'A check compares the slope in one direction, the gradient’s own and a random one together, with (L(x + h) − L(x − h)) / 2h at two h.');
  const kinds = new Map();
  for (const check of all) kinds.set(check.operation, [...(kinds.get(check.operation) || []), check]);
  body.append(table(['operation', 'forward', 'backward', { name: 'checks', number: true }, { name: 'worst', number: true }], [...kinds].map(([name, checks]) => {
    const worst = checks.reduce((a, b) => b.error > a.error ? b : a);
    return [name, make('span', { class: 'formula', text: checks[0].formula }), make('span', { class: 'formula back', text: checks[0].gradient_formula }), String(checks.length), verdict(worst)];
  })));
}
{
  const body = section('checks', 'Checks', 'Values by the logit of a token; learned tensors by the loss of training, dropout included.');
  const filter = make('input', { type: 'search', id: 'filter', placeholder: 'part of a path or model' });
  const order = make('select', { id: 'order' }, make('option', { value: 'order', text: 'in order' }), make('option', { value: 'error', text: 'worst first' }));
  const holder = make('div'), said = make('p', { class: 'quiet', 'aria-live': 'polite' });
  function show() {
    const wanted = filter.value.toLowerCase();
    let rows = all.filter(check => (check.model + ' ' + check.path + ' ' + check.operation).toLowerCase().includes(wanted));
    if (order.value === 'error') rows = [...rows].sort((a, b) => b.error - a.error);
    said.textContent = `${rows.length} of ${all.length}` + (rows.length > 400 ? ', the first 400 shown' : '');
    holder.replaceChildren(table(['model', '∂L/∂', 'operation', 'shape', { name: 'size', number: true }, { name: 'by gradient', number: true }, { name: 'by differences', number: true }, { name: 'apart', number: true }],
      rows.slice(0, 400).map(check => [check.model, check.path, check.operation, '[' + check.shape.join(', ') + ']', short(check.size), check.by_gradient.toFixed(5), check.by_differences.toFixed(5), verdict(check)])));
  }
  filter.addEventListener('input', show); order.addEventListener('change', show);
  body.append(make('div', { class: 'controls' }, make('label', {}, 'find', filter), make('label', {}, 'order', order)), said, holder);
  show();
}
