// Mask explorer. The kernel sends the mask, every entry's state for every query, and a sentence for each query; this
// page draws them, lets a row be chosen, and asks for a new figure when text, variant or a setting changes.

const FUTURE = "#e9e9e9", UNREAD = "#ffffff";
const OUT_OF_REACH = 0, READ = 2; // states of an entry; 1 is: could be read, and isn't

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

function select(name, values) {
  const label = element("label", "dsm-setting", `${name} `);
  const list = element("select");
  for (const value of values) {
    const option = element("option", "", value);
    option.value = value;
    list.append(option);
  }
  list.dataset.setting = name;
  label.append(list);
  return [label, list];
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const put = (changes) => {
    model.set(changes);
    model.save_changes();
  };
  const root = element("div", "dsm-masks");
  const area = element("textarea", "dsm-text");
  area.rows = 6;
  area.spellcheck = false;
  area.setAttribute("aria-label", "Text to read");
  area.value = get("text");
  const note = element("div", "dsm-note");
  note.setAttribute("role", "status");

  const controls = element("div", "dsm-controls");
  const kinds = element("div", "dsm-variants");
  kinds.setAttribute("role", "group");
  kinds.setAttribute("aria-label", "Kind of attention");
  const buttons = get("variants").map((name) => {
    const button = element("button", "dsm-variant", name);
    button.addEventListener("click", () => put({ variant: name }));
    kinds.append(button);
    return button;
  });
  controls.append(kinds);
  const lists = Object.entries(get("allowed")).map(([name, values]) => {
    const [label, list] = select(name, values);
    list.addEventListener("change", () => put({ settings: { ...get("settings"), [name]: Number(list.value) } }));
    list.addEventListener("keydown", (e) => e.stopPropagation());
    controls.append(label);
    return list;
  });

  const stage = element("div", "dsm-stage");
  const left = element("div", "dsm-left");
  const grid = element("canvas", "dsm-grid");
  grid.tabIndex = 0;
  grid.setAttribute("role", "slider");
  grid.setAttribute("aria-label", "Token that reads");
  const charts = element("div", "dsm-charts");
  left.append(
    element("div", "dsm-axis", "↓ tokens that read   → tokens that are read"), grid, charts,
  );
  const right = element("div", "dsm-right");
  const sentence = element("div", "dsm-sentence");
  sentence.setAttribute("aria-live", "polite");
  const legend = element("div", "dsm-legend");
  const view = element("div", "dsm-view");
  view.tabIndex = 0;
  view.setAttribute("role", "group");
  view.setAttribute("aria-label", "The text, as the chosen token reads it");
  right.append(
    view,
    element("div", "dsm-hint", "Click a row of the square or a token, or use the arrow keys, to choose the token that reads."),
  );
  stage.append(left, right);
  root.append(area, note, controls, sentence, legend, stage);
  el.append(root);

  let data; // the figure, its byte strings decoded
  let cells = 0; // pixels of the canvas for one token

  function decode() {
    const figure = get("figure");
    if (!figure.cover) return;
    data = { ...figure, count: figure.tokens.length, cover: bytes(figure.cover) };
    data.branches = figure.branches.map((branch) => {
      const { scores } = branch;
      const numbers = scores && Float32Array.from({ length: scores.byteLength / 4 }, (_, i) => scores.getFloat32(4 * i, true));
      return { ...branch, state: bytes(branch.state), scores: numbers };
    });
  }

  function drawGrid() {
    const { count, cover, branches } = data;
    cells = Math.max(4, Math.round(800 / count));
    grid.width = grid.height = cells * count;
    const context = grid.getContext("2d");
    const colors = [UNREAD, ...branches.map((branch) => branch.color)];
    for (let row = 0; row < count; row++) {
      for (let column = 0; column < count; column++) {
        context.fillStyle = column > row ? FUTURE : colors[cover[row * count + column]];
        context.fillRect(column * cells, row * cells, cells, cells);
      }
    }
    context.fillStyle = UNREAD; // a white line between entries of several tokens, where both are read
    branches.forEach((branch, index) => {
      if (!branch.lanes.length) return;
      for (const [, stop] of branch.spans) {
        for (let row = stop; row < count; row++) {
          const [before, after] = [cover[row * count + stop - 1], cover[row * count + stop]];
          if (before === index + 1 && after === index + 1) context.fillRect(stop * cells - 1, row * cells, 2, cells);
        }
      }
    });
    const query = get("query"), gap = Math.max(0, 5 - cells / 4);
    context.strokeStyle = "#111";
    context.lineWidth = 3;
    const top = Math.max(1.5, query * cells - gap), bottom = Math.min(grid.height - 1.5, (query + 1) * cells + gap);
    context.strokeRect(1.5, top, grid.width - 3, bottom - top);
    grid.setAttribute("aria-valuemin", 0);
    grid.setAttribute("aria-valuemax", count - 1);
    grid.setAttribute("aria-valuenow", query);
    grid.setAttribute("aria-valuetext", data.sentences[query]);
  }

  function drawLegend() {
    legend.replaceChildren();
    for (const { name, color } of data.branches) {
      const entry = element("span", "dsm-branch", name);
      entry.style.backgroundColor = color;
      legend.append(entry);
    }
  }

  function drawText() {
    const { tokens, breaks, branches } = data;
    view.replaceChildren();
    tokens.forEach((token, index) => {
      const box = element("span", "dsm-token");
      box.dataset.index = index;
      branches.forEach((branch, number) => {
        const lanes = branch.lanes.length ? Math.max(...branch.lanes) + 1 : 0;
        for (let lane = 0; lane < lanes; lane++) {
          const entry = branch.spans.findIndex(([a, b], j) => branch.lanes[j] === lane && a <= index && index < b);
          const bar = element("span", "dsm-lane");
          if (entry >= 0) {
            bar.dataset.branch = number;
            bar.dataset.entry = entry;
            bar.classList.toggle("dsm-first", branch.spans[entry][0] === index);
            bar.classList.toggle("dsm-last", branch.spans[entry][1] === index + 1);
          }
          box.prepend(bar);
        }
      });
      box.append(element("span", "dsm-word", token));
      view.append(box);
      if (breaks[index]) view.append(element("span", "dsm-break"));
    });
  }

  function colorText() {
    const { branches } = data, query = get("query");
    const state = (branch, entry) => branch.state[query * branch.spans.length + entry];
    const single = branches.filter((branch) => !branch.lanes.length).map((branch) => {
      return { ...branch, entryOf: new Map(branch.spans.map(([first], entry) => [first, entry])) };
    });
    view.querySelectorAll(".dsm-token").forEach((box, index) => {
      box.classList.toggle("dsm-query", index === query);
      box.classList.toggle("dsm-later", index > query);
      const by = single.find((branch) => state(branch, branch.entryOf.get(index)) === READ);
      box.lastChild.style.backgroundColor = by ? by.color : "";
    });
    view.querySelectorAll(".dsm-lane[data-entry]").forEach((bar) => {
      const branch = branches[bar.dataset.branch], now = state(branch, Number(bar.dataset.entry));
      bar.classList.toggle("dsm-open", now !== OUT_OF_REACH);
      bar.style.backgroundColor = now === READ ? branch.color : "";
    });
  }

  // One chart for each branch that selects: bars stand under the columns of the tokens that their entries stand for.
  function drawCharts() {
    charts.replaceChildren();
    const query = get("query"), { count } = data;
    const scored = data.branches.filter((branch) => branch.scores);
    if (!scored.length) {
      charts.append(element("div", "dsm-hint", "Nothing is selected here: what is read depends on places alone, so there are no scores."));
    }
    for (const branch of scored) {
      const entries = branch.spans.length, high = 72;
      const of = (list) => Array.from(list.subarray(query * entries, (query + 1) * entries));
      const scores = of(branch.scores), states = of(branch.state);
      const least = Math.min(0, ...scores), most = Math.max(0, ...scores) || (least ? 0 : 1); // none: a line at the bottom
      const unit = high / (most - least);
      const chart = element("div", "dsm-chart");
      chart.style.height = `${high}px`;
      chart.setAttribute("role", "img");
      chart.setAttribute("aria-label", `scores of ${branch.name} before the selection`);
      states.forEach((state, entry) => {
        const [first, stop] = branch.places[entry], score = scores[entry];
        const bar = element("span", "dsm-bar");
        const tall = state === OUT_OF_REACH ? 5 : Math.max(3, Math.abs(score) * unit);
        const zero = most * unit; // from the top
        const top = score < 0 ? zero : zero - tall;
        const share = (100 * (stop - first)) / count;
        bar.style.cssText = `left: ${(100 * first) / count + 0.1 * share}%; width: ${0.8 * share}%;
          top: ${Math.min(high - tall, Math.max(0, top))}px; height: ${tall}px;`;
        if (state === OUT_OF_REACH) bar.classList.add("dsm-not-yet");
        else bar.style.borderColor = branch.color;
        if (state === READ) bar.style.backgroundColor = branch.color;
        bar.dataset.state = state;
        bar.title = `entry ${entry}, tokens ${branch.spans[entry][0]} to ${branch.spans[entry][1] - 1}: ` +
          ["not yet complete, or later", `score ${score.toPrecision(3)}, not read`, `score ${score.toPrecision(3)}, read`][state];
        chart.append(bar);
      });
      const line = element("span", "dsm-zero");
      line.style.top = `${most * unit}px`;
      chart.append(line);
      const found = scores.filter((_, entry) => states[entry] !== OUT_OF_REACH);
      const range = found.length
        ? `, ${Math.min(...found).toFixed(2)} to ${Math.max(...found).toFixed(2)}. Filled: read. Hollow: not. Grey: not there yet.`
        : ": none is there yet.";
      charts.append(chart, element("div", "dsm-hint", `Scores of “${branch.name}” before the selection${range}`));
    }
  }

  function drawQuery() {
    if (!data || get("query") >= data.count) return; // the rest of the message is still to come
    sentence.textContent = data.sentences[get("query")];
    drawGrid();
    colorText();
    drawCharts();
  }

  function redraw() {
    decode();
    if (!data) return;
    drawLegend();
    drawText();
    drawQuery();
  }

  function followControls() {
    const used = get("uses")[get("variant")] ?? [];
    buttons.forEach((button) => {
      const chosen = button.textContent === get("variant");
      button.classList.toggle("dsm-chosen", chosen);
      button.setAttribute("aria-pressed", chosen);
    });
    for (const list of lists) {
      const { setting } = list.dataset;
      list.value = get("settings")[setting];
      list.disabled = !used.includes(setting);
      list.parentNode.classList.toggle("dsm-unused", list.disabled);
      list.parentNode.title = list.disabled ? `${get("variant")} doesn't use this` : "";
    }
    note.textContent = get("note");
    for (const part of [sentence, legend, stage]) part.classList.toggle("dsm-stale", get("stale"));
  }

  function choose(query) {
    if (!data) return;
    const clamped = Math.max(0, Math.min(data.count - 1, query));
    if (clamped !== get("query")) put({ query: clamped });
  }

  const rowAt = (e) => Math.floor((e.offsetY / grid.clientHeight) * data.count);
  grid.addEventListener("click", (e) => choose(rowAt(e)));
  grid.addEventListener("pointermove", (e) => e.buttons & 1 && choose(rowAt(e)));
  view.addEventListener("click", (e) => {
    const token = e.target.closest(".dsm-token");
    if (token) choose(Number(token.dataset.index));
  });
  for (const place of [grid, view]) {
    place.addEventListener("keydown", (e) => {
      const last = data ? data.count - 1 : 0;
      const steps = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -8, PageDown: 8, Home: -last, End: last };
      if (!(e.key in steps)) return;
      e.preventDefault();
      e.stopPropagation(); // the notebook would move to another cell
      choose(get("query") + steps[e.key]);
    });
  }
  let typing;
  area.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => put({ text: area.value }), 350);
  });
  area.addEventListener("keydown", (e) => e.stopPropagation());

  const choices = "change:variant change:settings change:note change:stale";
  model.on("change:figure", redraw);
  model.on("change:query", drawQuery);
  model.on(choices, followControls);
  followControls();
  redraw();
  return () => {
    clearTimeout(typing);
    model.off("change:figure", redraw);
    model.off("change:query", drawQuery);
    model.off(choices, followControls);
  };
}

export default { render };
