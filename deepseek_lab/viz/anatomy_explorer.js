// Anatomy explorer. Python computes every number and every text; here they are only drawn, on a page without a kernel,
// too. A block is as tall as its share, and in it each kind of part is as wide as its share of the block.

// What render() needs of a model, for a page without a kernel: the values that were saved, and nobody to send to.
export function fixedModel(values) {
  const listeners = [];
  const state = { ...values };
  return {
    get: (name) => state[name],
    set(changes) {
      Object.assign(state, changes);
      for (const [events, listener] of listeners) {
        if (Object.keys(changes).some((name) => events.split(" ").includes(`change:${name}`))) listener();
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

const ROW = 24; // pixels that every block gets, however small it is
const TALL = 400; // pixels of the whole stack, unless the rows need more

export function render({ model, el }) {
  const get = (name) => model.get(name);
  const put = (changes) => {
    model.set(changes);
    model.save_changes();
  };
  const { models, measures, kinds, texts } = get("figure");

  const root = element("div", "dsn-anatomy");
  const controls = element("div", "dsn-controls");
  const chooser = element("label", "dsn-control", "model ");
  const list = element("select", "dsn-model");
  for (const name of Object.keys(models)) {
    const option = element("option", "", name);
    option.value = name;
    list.append(option);
  }
  chooser.append(list);
  const buttons = element("div", "dsn-measures");
  buttons.setAttribute("role", "group");
  buttons.setAttribute("aria-label", "measure");
  for (const [key, label] of measures) {
    const button = element("button", "dsn-measure", label);
    button.type = "button";
    button.dataset.measure = key;
    buttons.append(button);
  }
  controls.append(chooser, buttons);
  const total = element("div", "dsn-total");
  total.setAttribute("aria-live", "polite");
  const columns = element("div", "dsn-columns");
  const stack = element("div", "dsn-stack");
  stack.setAttribute("role", "group");
  stack.setAttribute("aria-label", "blocks, in the order in which a token passes through");
  const opened = element("div", "dsn-opened");
  const about = element("div", "dsn-about");
  const parts = element("div", "dsn-parts");
  parts.setAttribute("role", "group");
  parts.setAttribute("aria-label", "parts of the open block");
  const formula = element("div", "dsn-formula");
  formula.setAttribute("aria-live", "polite");
  opened.append(about, parts, formula);
  columns.append(stack, opened);
  const legend = element("div", "dsn-legend");
  for (const [name, color] of kinds) {
    const entry = element("span", "dsn-kind", name);
    entry.style.setProperty("--dsn-color", color);
    legend.append(entry);
  }
  const caption = element("div", "dsn-caption");
  root.append(controls, total, columns, legend, caption);
  el.append(root);

  const shown = () => models[get("name")][get("measure")];
  const place = () => Math.min(get("block"), shown().rows.length - 1);
  const row = () => shown().rows[place()];

  function drawStack() {
    const { rows, total: sentence } = shown();
    list.value = get("name");
    buttons.querySelectorAll("button").forEach((button) => {
      button.setAttribute("aria-pressed", button.dataset.measure === get("measure"));
    });
    total.textContent = sentence;
    caption.textContent =
      measures.find(([key]) => key === get("measure"))[2] +
      ` A block's height is its share, but at least ${ROW} pixels, so that it can be read and clicked. ` +
      "Click a block for its parts, and point at a part for its formula.";
    stack.style.height = `${Math.max(TALL, (ROW + 3) * rows.length + 120)}px`;
    stack.replaceChildren();
    rows.forEach(({ name, numbers: [value, share, percent], parts: inside }, index) => {
      const block = element("button", "dsn-block");
      block.type = "button";
      block.dataset.index = index;
      block.style.flexGrow = 1000 * share;
      block.style.minHeight = `${ROW}px`;
      block.setAttribute("aria-label", `${name}: ${value}, ${percent}`);
      const mosaic = element("span", "dsn-mosaic");
      for (const [, kind, , part] of inside) {
        const piece = element("span", "dsn-piece");
        piece.style.flexGrow = 1000 * part;
        piece.style.background = kinds[kind][1];
        mosaic.append(piece);
      }
      block.append(mosaic, element("span", "dsn-name", name));
      block.append(element("span", "dsn-value", value), element("span", "dsn-share", percent));
      stack.append(block);
    });
    drawParts();
  }

  function drawParts() {
    stack.querySelectorAll(".dsn-block").forEach((block, index) => {
      block.setAttribute("aria-pressed", index === place());
    });
    const { about: sentence, parts: inside } = row();
    about.textContent = sentence;
    parts.replaceChildren();
    inside.forEach(([name, kind, value, share, percent], index) => {
      const part = element("button", "dsn-part");
      part.type = "button";
      part.dataset.index = index;
      part.setAttribute("aria-label", `${name}: ${value}, ${percent}`);
      const bar = element("span", "dsn-bar");
      const fill = element("span", "dsn-fill");
      fill.style.width = `${100 * share}%`;
      fill.style.background = kinds[kind][1];
      bar.append(fill);
      part.append(element("span", "dsn-name", name), element("span", "dsn-value", value));
      part.append(element("span", "dsn-share", percent), bar);
      parts.append(part);
    });
    const shares = inside.map(([, , , share]) => share);
    drawFormula(shares.indexOf(Math.max(...shares)));
  }

  function drawFormula(index) {
    formula.replaceChildren();
    parts.querySelectorAll(".dsn-part").forEach((part, own) => part.setAttribute("aria-pressed", own === index));
    if (index < 0) {
      formula.append(element("div", "dsn-line", "Nothing of this kind here."));
      return;
    }
    const [name, , , , , lines] = row().parts[index];
    formula.append(element("div", "dsn-which", name));
    for (const line of lines) formula.append(element("div", "dsn-line", texts[line]));
  }

  list.addEventListener("change", () => {
    put({ name: list.value, block: models[list.value][get("measure")].largest });
  });
  buttons.addEventListener("click", (e) => {
    const button = e.target.closest(".dsn-measure");
    if (button) put({ measure: button.dataset.measure });
  });
  stack.addEventListener("click", (e) => {
    const block = e.target.closest(".dsn-block");
    if (block) put({ block: Number(block.dataset.index) });
  });
  for (const event of ["mouseover", "focusin", "click"]) {
    parts.addEventListener(event, (e) => {
      const part = e.target.closest(".dsn-part");
      if (part) drawFormula(Number(part.dataset.index));
    });
  }
  root.addEventListener("keydown", (e) => {
    // The notebook would take Enter and the arrows for its own; shortcuts with a modifier stay the notebook's.
    if (!(e.ctrlKey || e.metaKey || e.altKey || e.shiftKey)) e.stopPropagation();
  });

  model.on("change:name change:measure", drawStack);
  model.on("change:block", drawParts);
  drawStack();
  return () => {
    model.off("change:name change:measure", drawStack);
    model.off("change:block", drawParts);
  };
}

export default { render };
