// Attention explorer. The kernel sends labels, shape and weights (one byte each); everything else happens here.

const VISIBLE = { "\n": "⏎", "\t": "→", " ": "·" };
// cividis, sampled: the same colours as the still pictures
const STOPS = [
  [0, 34, 78], [31, 57, 109], [69, 81, 108], [99, 106, 112], [124, 123, 120],
  [153, 142, 117], [187, 165, 104], [222, 191, 83], [254, 232, 56],
];

function color(value) {
  const place = Math.min(value, 0.9999) * (STOPS.length - 1);
  const low = Math.floor(place), part = place - low;
  return STOPS[low].map((c, i) => Math.round(c + (STOPS[low + 1][i] - c) * part));
}
const TABLE = Array.from({ length: 256 }, (_, byte) => color(Math.sqrt(byte / 255))); // root: faint weights show

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// "head 3", of which a narrow page shows the number only
function name(word, index) {
  const node = element("span", word === "layer" ? "dsl-name dsl-side" : "dsl-name");
  node.append(element("span", "dsl-word", `${word} `), String(index + 1));
  return node;
}

function render({ model, el }) {
  const root = element("div", "dsl-attention");
  const area = element("textarea", "dsl-text");
  area.rows = 6;
  area.spellcheck = false;
  area.setAttribute("aria-label", "Text to look at");
  area.value = model.get("text");
  const note = element("div", "dsl-note");
  const grid = element("div", "dsl-grid");
  const caption = element("div", "dsl-caption");
  caption.setAttribute("aria-live", "polite");
  const stepper = element("div", "dsl-stepper");
  const back = element("button", "dsl-step", "◀ token before");
  const next = element("button", "dsl-step", "token after ▶");
  stepper.append(back, next, caption);
  const view = element("div", "dsl-view");
  view.tabIndex = 0;
  const legend = element(
    "div", "dsl-legend",
    "Each square is one head: rows look, columns are looked at. Click a square to choose the head. " +
      "Move over the text, or step with the arrow keys, to choose the token that looks.",
  );
  root.append(area, note, grid, legend, stepper, view);
  el.append(root);

  let bytes = new Uint8Array();
  const get = (name) => model.get(name);
  const row = (layer, head, query) => {
    const [, heads, count] = get("shape");
    const start = ((layer * heads + head) * count + query) * count;
    return bytes.subarray(start, start + count);
  };

  function drawGrid() {
    const [layers, heads, count] = get("shape");
    grid.replaceChildren();
    grid.style.gridTemplateColumns = `auto repeat(${heads}, minmax(0, 1fr))`;
    grid.append(element("span"));
    for (let head = 0; head < heads; head++) grid.append(name("head", head));
    for (let layer = 0; layer < layers; layer++) {
      grid.append(name("layer", layer));
      for (let head = 0; head < heads; head++) {
        const button = element("button", "dsl-map");
        button.dataset.layer = layer;
        button.dataset.head = head;
        button.setAttribute("aria-label", `layer ${layer + 1}, head ${head + 1}`);
        const canvas = element("canvas");
        canvas.width = canvas.height = count;
        const context = canvas.getContext("2d");
        const pixels = context.createImageData(count, count);
        for (let query = 0; query < count; query++) {
          row(layer, head, query).forEach((byte, key) => {
            const shown = key > query ? [238, 238, 238] : TABLE[byte]; // grey: the future, out of reach
            pixels.data.set([...shown, 255], 4 * (query * count + key));
          });
        }
        context.putImageData(pixels, 0, 0);
        button.append(canvas);
        button.addEventListener("click", () => {
          model.set({ layer, head });
          model.save_changes();
        });
        grid.append(button);
      }
    }
  }

  function drawText() {
    view.replaceChildren();
    get("labels").forEach((label, index) => {
      const span = element("span", "dsl-token", label.trim() ? label : VISIBLE[label] ?? "·");
      if (!label.trim()) span.classList.add("dsl-blank");
      if (label.length > 1) span.classList.add("dsl-byte");
      span.dataset.index = index;
      view.append(span);
      if (label === "\n") view.append(element("br"));
    });
  }

  function drawView() {
    const labels = get("labels"), layer = get("layer"), head = get("head"), query = get("query");
    if (!labels.length || query >= labels.length) return;
    const values = row(layer, head, query);
    const peak = Math.max(1, ...values);
    view.querySelectorAll(".dsl-token").forEach((span, index) => {
      span.style.backgroundColor = `rgba(230, 159, 0, ${(0.9 * values[index]) / peak})`;
      span.classList.toggle("dsl-query", index === query);
      span.classList.toggle("dsl-later", index > query);
    });
    grid.querySelectorAll(".dsl-map").forEach((button) => {
      const chosen = Number(button.dataset.layer) === layer && Number(button.dataset.head) === head;
      button.classList.toggle("dsl-chosen", chosen);
      button.setAttribute("aria-pressed", chosen);
    });
    const quoted = (index) => `“${VISIBLE[labels[index]] ?? labels[index]}”`;
    const top = Array.from(values.slice(0, query + 1), (byte, index) => [byte, index]);
    top.sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    const named = top.slice(0, 3).map(([byte, i]) => `${quoted(i)} (${query - i} back) ${Math.round(byte / 2.55)}%`);
    caption.textContent =
      `Layer ${layer + 1}, head ${head + 1}: token ${query} ${quoted(query)} looks at ${named.join(", ")}`;
  }

  function choose(query) {
    const count = get("labels").length;
    const clamped = Math.max(0, Math.min(count - 1, query));
    if (clamped === get("query")) return;
    model.set("query", clamped);
    model.save_changes();
  }

  function redraw() {
    const data = get("weights");
    bytes = data ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array();
    const [layers, heads, count] = get("shape");
    if (bytes.length !== layers * heads * count * count) return; // the rest of the message is still to come
    drawGrid();
    drawText();
    drawView();
  }

  let timer;
  area.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      model.set("text", area.value);
      model.save_changes();
    }, 350);
  });
  for (const event of ["mouseover", "click"]) {
    view.addEventListener(event, (e) => {
      const token = e.target.closest(".dsl-token");
      if (token) choose(Number(token.dataset.index));
    });
  }
  view.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!step) return;
    e.preventDefault();
    e.stopPropagation(); // the notebook would move to another cell
    choose(get("query") + step);
  });
  area.addEventListener("keydown", (e) => e.stopPropagation());
  back.addEventListener("click", () => choose(get("query") - 1));
  next.addEventListener("click", () => choose(get("query") + 1));

  const onNote = () => (note.textContent = get("note"));
  model.on("change:weights", redraw);
  model.on("change:layer change:head change:query", drawView);
  model.on("change:note", onNote);
  onNote();
  redraw();
  return () => {
    clearTimeout(timer);
    model.off("change:weights", redraw);
    model.off("change:layer change:head change:query", drawView);
    model.off("change:note", onNote);
  };
}

export default { render };
