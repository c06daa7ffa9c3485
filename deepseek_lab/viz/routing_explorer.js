// Routing explorer. The kernel sends each token's scores at every training step, and the biases; who goes where is
// decided here, so that K, bias and groups can be changed on a page without a kernel, too.

const VISIBLE = { "\n": "⏎", "\t": "→", " ": "·" };

// DeepSeek-V3's choice for one token: the K best of score + bias within the best groups, weighed by score alone.
export function route(scores, bias, k, groups, allowed) {
  const choice = Array.from(scores, (score, e) => score + bias[e]);
  const size = scores.length / groups;
  const rank = Array.from({ length: groups }, (_, g) => {
    const best = choice.slice(g * size, (g + 1) * size).sort((a, b) => b - a);
    return [best.slice(0, 2).reduce((sum, value) => sum + value, 0), g];
  });
  const open = new Set(rank.sort((a, b) => b[0] - a[0]).slice(0, allowed).map(([, g]) => g));
  const order = choice.map((_, e) => e).filter((e) => open.has(Math.floor(e / size)));
  const experts = order.sort((a, b) => choice[b] - choice[a]).slice(0, k);
  const total = experts.reduce((sum, e) => sum + scores[e], 1e-20);
  return { choice, open, experts, weights: experts.map((e) => scores[e] / total) };
}

// What render() needs of a model, for a page without a kernel: the values that were saved, and nobody to send to.
export function fixedModel(values) {
  const listeners = [];
  const decode = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const state = { ...values, scores: decode(values.scores), biases: decode(values.biases), fixed: true };
  return {
    get: (name) => state[name],
    set(changes, value) {
      const entries = typeof changes === "string" ? [[changes, value]] : Object.entries(changes);
      for (const [name, now] of entries) state[name] = now;
      for (const [events, listener] of listeners) {
        if (entries.some(([name]) => events.split(" ").includes(`change:${name}`))) listener();
      }
    },
    save_changes() {},
    on: (events, listener) => listeners.push([events, listener]),
    off: () => {},
  };
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function labelled(text, control) {
  const label = element("label", "dsr-control", text);
  label.append(control);
  return label;
}

function select(entries, value) {
  const list = element("select");
  for (const [name, entry] of entries) {
    const option = element("option", "", name);
    option.value = entry;
    list.append(option);
  }
  list.value = value;
  return list;
}

export function render({ model, el }) {
  const get = (name) => model.get(name);
  const put = (changes) => {
    model.set(changes);
    model.save_changes();
  };
  const root = element("div", "dsr-routing");
  const area = element("textarea", "dsr-text");
  area.rows = 6;
  area.spellcheck = false;
  area.setAttribute("aria-label", "Text to route");
  area.value = get("text");
  area.readOnly = Boolean(get("fixed"));
  const note = element("div", "dsr-note");

  const [steps, layers] = get("shape");
  const layer = select(Array.from({ length: layers }, (_, i) => [`${i + 1}`, i]), get("layer"));
  const step = element("input", "dsr-step");
  Object.assign(step, { type: "range", min: 0, max: steps - 1, value: get("step") });
  const stepName = element("output");
  const play = element("button", "dsr-play", "▶ play");
  const k = select(Array.from({ length: Math.max(4, get("k")) }, (_, i) => [`${i + 1}`, i + 1]), get("k"));
  const bias = element("input");
  Object.assign(bias, { type: "checkbox", checked: get("use_bias") });
  const groups = get("groups");
  const limits = Array.from({ length: groups }, (_, i) => groups - i);
  const allowed = select(limits.map((n) => [n === groups ? "all" : `best ${n} of ${groups}`, n]), get("allowed"));
  const stepper = labelled("training step ", step);
  stepper.append(stepName);
  const controls = element("div", "dsr-controls");
  controls.append(
    stepper, play, labelled("layer ", layer), labelled("K ", k), labelled("bias ", bias), labelled("groups ", allowed),
  );

  const view = element("div", "dsr-view");
  view.tabIndex = 0;
  const bars = element("div", "dsr-bars");
  const load = element("div", "dsr-load");
  const heat = element("canvas", "dsr-heat");
  heat.setAttribute("role", "img");
  heat.setAttribute("aria-label", "tokens from left to right, experts from top to bottom");
  const caption = element("div", "dsr-caption");
  caption.setAttribute("aria-live", "polite");
  const table = element("table", "dsr-table");
  root.append(
    area, note, controls, view,
    element("div", "dsr-legend", "Colour: the expert with the largest weight. Move over the text or the map, or use the arrow keys."),
    load, bars,
    element("div", "dsr-legend", "Every row is an expert, every column a token; the darker, the larger the weight."),
    heat, caption, table,
  );
  el.append(root);

  let routes = []; // of the shown step and layer, one for each token

  const number = (name, bytes, index) => {
    const view = get(name);
    return bytes === 2 ? view.getUint16(2 * index, true) / 65535 : view.getFloat32(4 * index, true);
  };
  function scoresOf(token) {
    const [, layers, count, experts] = get("shape");
    const start = ((get("step") * layers + get("layer")) * count + token) * experts;
    return Array.from({ length: experts }, (_, e) => number("scores", 2, start + e));
  }
  function biases() {
    const [, layers, , experts] = get("shape");
    const start = (get("step") * layers + get("layer")) * experts;
    return Array.from({ length: experts }, (_, e) => (get("use_bias") ? number("biases", 4, start + e) : 0));
  }
  const quoted = (index) => `“${VISIBLE[get("labels")[index]] ?? get("labels")[index]}”`;
  const colour = (expert) => get("colors")[expert % get("colors").length];

  function drawText() {
    view.replaceChildren();
    get("labels").forEach((label, index) => {
      const span = element("span", "dsr-token", label.trim() ? label : VISIBLE[label] ?? "·");
      if (label.length > 1) span.classList.add("dsr-byte");
      span.dataset.index = index;
      view.append(span);
      if (label === "\n") view.append(element("br"));
    });
  }

  function drawLoad() {
    const [, , , experts] = get("shape");
    const rows = new Array(experts).fill(0);
    for (const { experts: chosen } of routes) for (const e of chosen) rows[e] += 1;
    const mean = rows.reduce((sum, value) => sum + value, 0) / experts;
    const top = Math.max(...rows, 2 * mean);
    bars.replaceChildren();
    bars.style.gridTemplateColumns = `repeat(${experts}, minmax(0, 1fr))`;
    rows.forEach((value, e) => {
      const bar = element("div", "dsr-bar");
      const fill = element("div", "dsr-fill");
      fill.style.height = `calc(${value / top} * (100% - 18px))`;
      fill.style.background = colour(e);
      bar.append(fill, element("span", "dsr-expert", e));
      bar.title = `expert ${e}: ${value} rows`;
      bar.dataset.expert = e;
      bars.append(bar);
    });
    const line = element("div", "dsr-uniform");
    line.style.bottom = `calc(18px + ${mean / top} * (100% - 18px))`;
    bars.append(line);
    const violation = Math.max(...rows) / mean - 1;
    load.textContent =
      `Load of each expert on this text; the line is an even load, ${mean.toFixed(1)} rows. ` +
      `MaxVio ${violation.toFixed(2)}. Move over a bar to see whom it serves.`;
  }

  function drawHeat() {
    const [, , count, experts] = get("shape");
    const tall = 8;
    heat.width = count;
    heat.height = experts * tall;
    const context = heat.getContext("2d");
    context.fillStyle = "#f3f3f3";
    context.fillRect(0, 0, heat.width, heat.height);
    routes.forEach(({ experts: chosen, weights }, token) => {
      chosen.forEach((e, i) => {
        context.globalAlpha = 0.25 + 0.75 * weights[i];
        context.fillStyle = "#003f66";
        context.fillRect(token, e * tall, 1, tall - 1);
      });
    });
    context.globalAlpha = 1;
  }

  function drawToken() {
    const token = get("token");
    if (token >= routes.length) return;
    view.querySelectorAll(".dsr-token").forEach((span, index) => {
      span.classList.toggle("dsr-chosen", index === token);
    });
    const scores = scoresOf(token), added = biases(), { choice, open, experts, weights } = routes[token];
    const size = scores.length / get("groups");
    const named = experts.map((e, i) => `expert ${e} (${Math.round(100 * weights[i])} %)`);
    caption.textContent = `Layer ${get("layer") + 1}: token ${token} ${quoted(token)} goes to ${named.join(", ")}`;
    const best = choice.map((_, e) => e).sort((a, b) => choice[b] - choice[a]).slice(0, 6);
    const shown = [...new Set([...experts, ...best])].sort((a, b) => choice[b] - choice[a]);
    table.replaceChildren();
    const head = element("tr");
    for (const name of ["expert", "score", "+ bias", "= choice", "weight"]) head.append(element("th", "", name));
    table.append(head);
    for (const e of shown) {
      const line = element("tr", experts.includes(e) ? "dsr-taken" : "");
      const outside = open.has(Math.floor(e / size)) ? "" : ", group closed";
      const weight = experts.includes(e) ? weights[experts.indexOf(e)].toFixed(3) : "–";
      const cells = [`${e}${outside}`, scores[e].toFixed(3), added[e].toFixed(3), choice[e].toFixed(3), weight];
      for (const cell of cells) line.append(element("td", "", cell));
      line.firstChild.style.borderLeft = `6px solid ${colour(e)}`;
      table.append(line);
    }
  }

  function reroute() {
    const [, , count, experts] = get("shape");
    if (get("scores").byteLength !== 2 * get("shape").reduce((a, b) => a * b) || get("labels").length !== count) return;
    const added = biases();
    k.value = get("k");
    layer.value = get("layer");
    step.value = get("step");
    bias.checked = get("use_bias");
    allowed.value = get("allowed");
    stepName.textContent = ` ${get("steps")[get("step")]}`;
    const reach = (get("allowed") * experts) / get("groups");
    const taken = Math.min(get("k"), reach);
    routes = Array.from({ length: count }, (_, t) => route(scoresOf(t), added, taken, get("groups"), get("allowed")));
    view.querySelectorAll(".dsr-token").forEach((span, index) => {
      const { experts: chosen, weights } = routes[index];
      span.style.backgroundColor = colour(chosen[weights.indexOf(Math.max(...weights))]);
    });
    drawLoad();
    drawHeat();
    drawToken();
  }

  function renew() {
    drawText();
    reroute();
  }

  function choose(token) {
    const clamped = Math.max(0, Math.min(get("labels").length - 1, token));
    if (clamped !== get("token")) put({ token: clamped });
  }

  let typing, playing;
  const stop = () => {
    clearInterval(playing);
    playing = undefined;
    play.textContent = "▶ play";
  };
  area.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => put({ text: area.value }), 350);
  });
  step.addEventListener("input", () => put({ step: Number(step.value) }));
  play.addEventListener("click", () => {
    if (playing) return stop();
    play.textContent = "■ stop";
    if (get("step") === steps - 1) put({ step: 0 });
    playing = setInterval(() => {
      if (get("step") === steps - 1) return stop();
      put({ step: get("step") + 1 });
    }, 800);
  });
  for (const [list, name] of [[layer, "layer"], [k, "k"], [allowed, "allowed"]]) {
    list.addEventListener("change", () => put({ [name]: Number(list.value) }));
  }
  bias.addEventListener("change", () => put({ use_bias: bias.checked }));
  for (const event of ["mouseover", "click"]) {
    view.addEventListener(event, (e) => {
      const token = e.target.closest(".dsr-token");
      if (token) choose(Number(token.dataset.index));
    });
  }
  const fade = (expert) => view.querySelectorAll(".dsr-token").forEach((span, index) => {
    span.classList.toggle("dsr-faded", expert !== undefined && !routes[index].experts.includes(expert));
  });
  bars.addEventListener("mouseover", (e) => {
    const bar = e.target.closest(".dsr-bar");
    fade(bar ? Number(bar.dataset.expert) : undefined);
  });
  bars.addEventListener("mouseleave", () => fade());
  heat.addEventListener("mousemove", (e) => choose(Math.floor((e.offsetX / heat.clientWidth) * get("labels").length)));
  view.addEventListener("keydown", (e) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!by) return;
    e.preventDefault();
    e.stopPropagation(); // the notebook would move to another cell
    choose(get("token") + by);
  });
  for (const control of [area, step, layer, k, allowed]) control.addEventListener("keydown", (e) => e.stopPropagation());

  const onNote = () => (note.textContent = get("note"));
  const changes = "change:step change:layer change:k change:use_bias change:allowed";
  model.on("change:scores", renew);
  model.on(changes, reroute);
  model.on("change:token", drawToken);
  model.on("change:note", onNote);
  onNote();
  renew();
  return () => {
    clearTimeout(typing);
    clearInterval(playing);
    model.off("change:scores", renew);
    model.off(changes, reroute);
    model.off("change:token", drawToken);
    model.off("change:note", onNote);
  };
}

export default { render };
