// Writing explorer. The kernel sends each token as soon as the model has written it; the page shows at most eleven a
// second, since a small model writes faster than anybody can look, and steps back through them afterwards.

const SIGNS = { "\n": "⏎", "\t": "→", " ": "·" };
const PACE = 90; // milliseconds for each token shown
const PATIENCE = 1500; // milliseconds of silence before the page says that it waits

const shown = (piece) => Array.from(piece, (c) => SIGNS[c] ?? c).join("");
const percent = (share) => (share < 0.005 ? "less than 1 %" : `${Math.round(100 * share)} %`);

// As viz/writing.py has it: "Token 3: it stands at “x” and writes “y” (84 %)".
export function passSentence(scene, steps, at) {
  const before = at ? steps[at - 1].piece : scene.prompt.at(-1);
  const { piece, probability } = steps[at];
  return `Token ${at + 1}: it stands at “${shown(before)}” and writes “${shown(piece)}” (${percent(probability)})`;
}

export function cacheSentence(scene, step) {
  const kept = step.cache_bytes.reduce((sum, bytes) => sum + bytes, 0);
  const tokens = kept / scene.token_bytes;
  const ratio = Number((scene.full_bytes / scene.token_bytes).toPrecision(3));
  const kilo = (bytes) => (bytes / 1000).toFixed(1);
  return (
    `Cache: ${tokens} tokens × ${scene.token_bytes.toLocaleString("en")} bytes = ${kilo(kept)} kB. ` +
    `Keys and values of every head: ${ratio} times as much, ${kilo(tokens * scene.full_bytes)} kB.`
  );
}

// The weight of each token so far, of one layer, or averaged over all.
export function lookedAt(step, layer) {
  if (layer >= 0) return step.attention[layer];
  const { attention } = step;
  return attention[0].map((_, s) => attention.reduce((sum, row) => sum + row[s], 0) / attention.length);
}

// What render() needs of a model, for a page without a kernel: the values that were saved, and nobody to send to.
export function fixedModel(values) {
  return { get: (name) => (name === "fixed" ? true : values[name]), set() {}, save_changes() {}, on() {}, off() {} };
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function labelled(text, control) {
  const label = element("label", "dsw-control", text);
  label.append(control);
  return label;
}

const mix = (low, high, share) => `rgb(${low.map((a, i) => Math.round(a + (high[i] - a) * share)).join(",")})`;

export function render({ model, el }) {
  const get = (name) => model.get(name);
  const root = element("div", "dsw-writing");
  const area = element("textarea", "dsw-prompt");
  Object.assign(area, { rows: 2, spellcheck: false, value: get("prompt"), readOnly: Boolean(get("fixed")) });
  area.setAttribute("aria-label", "Prompt");
  const count = element("input", "dsw-count");
  Object.assign(count, { type: "number", min: 1, max: get("most"), value: get("count") });
  const temperature = element("input", "dsw-temperature");
  Object.assign(temperature, { type: "range", min: 0, max: 1.5, step: 0.1, value: get("temperature") });
  const degrees = element("output");
  const write = element("button", "dsw-write", "write");
  const warm = labelled("temperature ", temperature);
  warm.append(degrees);
  const controls = element("div", "dsw-controls");
  controls.append(write, labelled("tokens ", count), warm);
  const note = element("div", "dsw-note");
  note.setAttribute("role", "status");

  const play = element("button", "dsw-play", "▶ play");
  const back = element("button", "dsw-step", "‹");
  const next = element("button", "dsw-step", "›");
  back.setAttribute("aria-label", "one token back");
  next.setAttribute("aria-label", "one token on");
  const slider = element("input", "dsw-at");
  Object.assign(slider, { type: "range", min: 0 });
  slider.setAttribute("aria-label", "written token");
  const layers = element("select", "dsw-layer");
  const player = element("div", "dsw-controls");
  player.append(play, back, slider, next, labelled("attention of ", layers));
  const caption = element("div", "dsw-caption");
  const view = element("div", "dsw-view");
  const legend = "Shade: how much the model looks at a token (heads averaged). Frame: where it stands. Blue: what it " +
    "writes. Click on a written token to see its pass.";
  const pair = element("div", "dsw-pair");
  const likeliest = element("div", "dsw-likeliest");
  const experts = element("div", "dsw-experts");
  const left = element("div"), right = element("div");
  left.append(element("div", "dsw-title", "Next token"), likeliest);
  right.append(element("div", "dsw-title", "Experts: at work now (blue), so far (grey)"), experts);
  pair.append(left, right);
  const cache = element("div", "dsw-cache");
  const sentence = element("div", "dsw-sum");
  root.append(
    area, controls, note, player, caption, view, element("div", "dsw-legend", legend), pair, sentence, cache,
  );
  el.append(root);

  let scene, steps = [], at = -1, layer = get("layer");
  let playing, patience;
  const busy = () => get("asked") !== get("answered");

  function drawText() {
    view.replaceChildren();
    const pieces = [...scene.prompt, ...steps.map((step) => step.piece)];
    pieces.forEach((piece, index) => addToken(piece, index));
  }

  function addToken(piece, index) {
    const span = element("span", index < scene.prompt.length ? "dsw-token dsw-given" : "dsw-token", shown(piece));
    span.classList.toggle("dsw-later", index > scene.prompt.length + at);
    span.dataset.index = index;
    view.append(span);
    if (piece.endsWith("\n")) view.append(element("br"));
  }

  function drawShades() {
    const newest = scene.prompt.length + at;
    const weights = at < 0 ? [] : lookedAt(steps[at], layer);
    const peak = Math.max(...weights, 1);
    view.querySelectorAll(".dsw-token").forEach((span, index) => {
      span.classList.toggle("dsw-later", index > newest);
      span.classList.toggle("dsw-new", at >= 0 && index === newest);
      span.classList.toggle("dsw-stands", at >= 0 && index === newest - 1);
      const weight = index < weights.length ? weights[index] : 0;
      span.style.backgroundColor = weight ? `rgba(230, 159, 0, ${(0.9 * weight) / peak})` : "";
      span.title = index < weights.length ? `${(weight / 10).toFixed(1)} % of its attention` : "";
    });
    showNewest();
  }

  function showNewest() { // long texts scroll in their box, so that what is drawn below stays in sight
    const span = view.querySelector(".dsw-new");
    if (!span) return;
    const top = span.offsetTop - 8, bottom = span.offsetTop + span.offsetHeight + 8;
    view.scrollTop = Math.max(bottom - view.clientHeight, Math.min(view.scrollTop, top));
  }

  function drawLikeliest() {
    likeliest.replaceChildren();
    for (const [piece, share] of steps[at].likeliest) {
      const letters = Array.from(shown(piece));
      const name = element("span", "dsw-piece", letters.length > 11 ? `${letters.slice(0, 10).join("")}…` : shown(piece));
      name.title = shown(piece);
      const bar = element("div", "dsw-bar");
      const fill = element("div", piece === steps[at].piece ? "dsw-fill dsw-taken" : "dsw-fill");
      fill.style.width = `${100 * share}%`;
      bar.append(fill);
      likeliest.append(name, bar, element("span", "dsw-share", `${Math.round(100 * share)} %`));
    }
  }

  function makeExperts() {
    experts.replaceChildren();
    for (let i = 0; i < scene.layers; i += 1) {
      experts.append(element("span", "dsw-name", `layer ${i + 1}`));
      const row = element("div", "dsw-row");
      if (scene.expert_layers.includes(i)) {
        row.style.gridTemplateColumns = `repeat(${scene.experts}, minmax(0, 1fr))`;
        for (let e = 0; e < scene.experts; e += 1) row.append(element("span", "dsw-expert"));
      } else row.append(element("span", "dsw-dense", "no experts: one network for every token"));
      experts.append(row);
    }
  }

  function drawExperts() {
    experts.querySelectorAll(".dsw-row:has(.dsw-expert)").forEach((row, index) => {
      const used = new Array(scene.experts).fill(0);
      for (const { chosen } of steps.slice(0, at + 1)) for (const e of chosen[index]) used[e] += 1;
      const { chosen, shares } = steps[at];
      row.childNodes.forEach((cell, e) => {
        const place = chosen[index].indexOf(e), use = used[e] / (at + 1);
        cell.style.background = place < 0
          ? mix([255, 255, 255], [158, 158, 158], use)
          : mix([184, 219, 242], [0, 64, 107], Math.min(1, 2 * shares[index][place]));
        cell.classList.toggle("dsw-working", place >= 0);
        const now = place < 0 ? "idle now" : `${Math.round(100 * shares[index][place])} % of this layer's choice now`;
        cell.title = `expert ${e}: ${now}; at work for ${used[e]} of ${at + 1} tokens`;
      });
    });
  }

  function drawCache() {
    const step = steps[at], kept = step.cache_bytes.reduce((sum, bytes) => sum + bytes, 0);
    const most = (scene.prompt.length + Math.max(scene.count, steps.length) - 1) * scene.full_bytes;
    cache.replaceChildren();
    const bar = (name, parts, className) => {
      const rail = element("div", "dsw-bar");
      for (const bytes of parts) {
        const part = element("div", className);
        part.style.width = `${(100 * bytes) / most}%`;
        rail.append(part);
      }
      cache.append(element("span", "dsw-name", name), rail);
    };
    bar("kept", step.cache_bytes, "dsw-kept");
    bar("all heads", [(kept / scene.token_bytes) * scene.full_bytes], "dsw-full");
    sentence.textContent = cacheSentence(scene, step);
  }

  function draw() {
    slider.max = Math.max(steps.length - 1, 0);
    slider.value = at;
    [slider, play, back, next].forEach((control) => (control.disabled = !steps.length));
    drawShades();
    if (at < 0) return;
    const { ms } = steps[at];
    caption.textContent = passSentence(scene, steps, at) + (ms === undefined ? "" : `, in ${ms} ms`);
    drawLikeliest();
    drawExperts();
    drawCache();
  }

  function begin() {
    scene = get("scene");
    stop();
    steps = [...get("steps")];
    at = Math.min(get("at"), steps.length - 1);
    layers.replaceChildren();
    const names = ["all layers, averaged", ...Array.from({ length: scene.layers }, (_, i) => `layer ${i + 1}`)];
    names.forEach((name, i) => {
      const option = element("option", "", name);
      option.value = i - 1;
      layers.append(option);
    });
    layers.value = layer;
    drawText();
    makeExperts();
    caption.textContent = "";
    [likeliest, cache, sentence].forEach((part) => part.replaceChildren());
    draw();
  }

  const stop = () => {
    clearInterval(playing);
    playing = undefined;
    play.textContent = "▶ play";
  };
  function start() {
    if (playing) return;
    play.textContent = "■ stop";
    playing = setInterval(() => {
      if (at < steps.length - 1) {
        at += 1;
        draw();
      }
      if (at >= steps.length - 1 && !busy()) stop();
    }, PACE);
  }
  const go = (place) => {
    stop();
    at = Math.max(0, Math.min(steps.length - 1, place));
    draw();
  };

  function onScene() {
    begin();
    at = -1;
    draw();
  }
  function onNewest() {
    const step = get("newest");
    if (!scene || step.run !== scene.run || step.index !== steps.length) return;
    hear();
    steps.push(step);
    addToken(step.piece, scene.prompt.length + step.index);
    start();
  }
  function onSteps() {
    const all = get("steps");
    if (!all.length || all[0].run !== scene.run || all.length <= steps.length) return;
    steps = [...all]; // a page that was opened while the model wrote
    drawText();
    start();
  }
  function onAnswer() {
    hear();
    write.disabled = Boolean(get("fixed")) || busy();
    write.textContent = busy() ? "writing" : "write";
    note.textContent = get("note");
  }
  function hear() {
    clearTimeout(patience);
    note.textContent = get("note");
  }
  function ask() {
    if (busy() || get("fixed")) return;
    const amount = Math.trunc(Number(count.value)) || 0;
    model.set({ prompt: area.value, count: amount, temperature: Number(temperature.value), asked: get("asked") + 1, note: "" });
    model.save_changes();
    onAnswer();
    patience = setTimeout(() => (note.textContent = "Waiting for the kernel: it may be running a cell."), PATIENCE);
  }
  const onWarmth = () => {
    degrees.textContent = Number(temperature.value) ? ` ${Number(temperature.value).toFixed(1)}` : " 0: the likeliest";
  };

  write.addEventListener("click", ask);
  area.addEventListener("keydown", (e) => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) ask();
  });
  temperature.addEventListener("input", onWarmth);
  slider.addEventListener("input", () => go(Number(slider.value)));
  back.addEventListener("click", () => go(at - 1));
  next.addEventListener("click", () => go(at + 1));
  play.addEventListener("click", () => {
    if (playing) return stop();
    if (at >= steps.length - 1) at = -1;
    start();
  });
  layers.addEventListener("change", () => {
    layer = Number(layers.value);
    draw();
  });
  view.addEventListener("click", (e) => {
    const index = Number(e.target.closest(".dsw-token")?.dataset.index ?? -1) - scene.prompt.length;
    if (index >= 0) go(index);
  });
  for (const control of [area, count, temperature, slider, layers]) {
    control.addEventListener("keydown", (e) => e.stopPropagation()); // the notebook would move to another cell
  }
  [count, temperature].forEach((control) => (control.disabled = Boolean(get("fixed"))));

  const listeners = [
    ["change:scene", onScene], ["change:newest", onNewest], ["change:steps", onSteps],
    ["change:answered", onAnswer], ["change:note", onAnswer],
  ];
  for (const [event, listener] of listeners) model.on(event, listener);
  onWarmth();
  onAnswer();
  begin();
  return () => {
    stop();
    clearTimeout(patience);
    for (const [event, listener] of listeners) model.off(event, listener);
  };
}

export default { render };
