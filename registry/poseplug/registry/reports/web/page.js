"use strict";
(() => {
  const { figures, examples } = JSON.parse(document.getElementById("data").textContent);
  const phone = matchMedia("(max-width: 640px)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  // ---------------------------------------------------------------- figures

  /** Break a name into lines of about so many characters, where it has spaces or punctuation. */
  function lines(text, limit) {
    const broken = [""];
    for (const word of text.replaceAll(" · ", "\u00a0· ").split(/(?<=[ ,/+])/)) {
      const last = broken.length - 1;
      if (broken[last] && (broken[last] + word).trimEnd().length > limit) broken.push(word);
      else broken[last] += word;
    }
    return broken.map((line) => escaped(line.trim())).join("<br>");
  }

  /** Return a figure's value with the theme's colours for their names. */
  function themed(value) {
    if (typeof value === "string") return value.startsWith("var(--") ? colour(value.slice(4, -1)) : value;
    if (Array.isArray(value)) return value.map(themed);
    if (value === null || typeof value !== "object") return value;
    const found = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, themed(item)]));
    if (found.wrap === "tick-narrow") {
      found.ticktext = found.ticktext.map((text) => lines(text, phone.matches ? 9 : 16));
      delete found.wrap;
    }
    return found;
  }

  const height = (texts) => Math.max(...texts.map((text) => text.split("<br>").length));

  /** Give rows the height that their names need. On a phone long ones stand above what they name, not beside it. */
  function fit(own) {
    const axis = own.yaxis;
    if (!axis || !axis.wrap) return own;
    delete axis.wrap;
    const names = axis.ticktext;
    const beside = names.map((text) => lines(text, phone.matches ? 17 : 44));
    if (!phone.matches || height(beside) === 1) {
      axis.ticktext = beside;
      const more = (height(beside) - 1) * (phone.matches ? 12 : 15) * names.length;
      return { ...own, height: own.height + more };
    }
    const above = names.map((text) => lines(text, 50));
    axis.showticklabels = false;
    axis.range = [-0.6, names.length - 0.2];
    const annotations = above.map((text, i) => ({
      text, x: 0, xref: "paper", xanchor: "left", y: axis.tickvals[i], yanchor: "bottom", yshift: 13, align: "left",
      showarrow: false, bgcolor: colour("--background"), borderpad: 1,
    }));
    return { ...own, annotations, height: 120 + names.length * (32 + 14 * height(above)) };
  }

  function axis(own) {
    const lines = { gridcolor: colour("--line"), linecolor: colour("--line"), zerolinecolor: colour("--line") };
    return { automargin: true, fixedrange: true, ...lines, ...own };
  }

  function layout(own) {
    const family = getComputedStyle(document.body).fontFamily;
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family, size: phone.matches ? 11 : 13, color: colour("--text") },
      margin: { l: 8, r: 12, t: 12, b: 36 },
      height: 380,
      dragmode: false,
      hoverlabel: { bgcolor: colour("--raised"), bordercolor: colour("--line"), font: { color: colour("--text") } },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", itemclick: phone.matches ? false : "toggle" },
      ...own,
      xaxis: axis(own.xaxis),
      yaxis: axis(own.yaxis),
    };
  }

  const config = () => ({
    displaylogo: false,
    responsive: true,
    displayModeBar: false,
  });

  function draw(place) {
    const figure = themed(figures[place.dataset.figure]);
    for (const trace of figure.data) {
      if (trace.name) trace.name = lines(trace.name, phone.matches ? 36 : 60);
    }
    const fitted = fit(figure.layout);
    place.style.minHeight = `${fitted.height ?? 380}px`;
    Plotly.react(place, figure.data, layout(fitted), config());
  }

  // ---------------------------------------------------------------- examples in 3D

  let chosen = 0;
  const viewer = document.getElementById("viewer");
  const over = document.getElementById("viewer-over");

  /** Return the lines of a pose in the view's axes: right, away from the camera, up. */
  function skeleton(pose, number, shift, paler) {
    const [x, y, z] = [[], [], []];
    examples.bones.forEach((bone, i) => {
      if ((examples.sides[i] === "right") !== paler) return;
      for (const joint of bone) {
        x.push(pose[joint][0] + shift);
        y.push(pose[joint][2]);
        z.push(-pose[joint][1]);
      }
      for (const values of [x, y, z]) values.push(null);
    });
    const tint = colour(`--pose-${number}`);
    return {
      type: "scatter3d", mode: "lines+markers", x, y, z, opacity: paler ? 0.45 : 1, connectgaps: false,
      hoverinfo: "skip", showlegend: false, line: { color: tint, width: 7 }, marker: { color: tint, size: 3 },
    };
  }

  /** Return squares of half a metre under the feet. */
  function floor(width, depths, heights) {
    const half = (value, round) => round(value / 0.5) * 0.5;
    const [left, right] = [-0.5, half(over.checked ? 0.5 : width, Math.ceil)];
    const [near, far] = [half(Math.min(...depths), Math.floor), half(Math.max(...depths), Math.ceil)];
    const [x, y] = [[], []];
    for (let at = left; at <= right; at += 0.5) x.push(at, at, null), y.push(near, far, null);
    for (let at = near; at <= far; at += 0.5) x.push(left, right, null), y.push(at, at, null);
    const z = x.map((value) => (value === null ? null : Math.min(...heights)));
    const line = { color: colour("--line"), width: 2 };
    return { type: "scatter3d", mode: "lines", x, y, z, line, hoverinfo: "skip", showlegend: false };
  }

  function view() {
    const found = examples.cases[chosen];
    const widths = found.poses.map((pose) => pose.map((joint) => joint[0]));
    let at = 0;
    const data = found.poses.flatMap((pose, number) => {
      const [low, high] = [Math.min(...widths[number]), Math.max(...widths[number])];
      const shift = over.checked ? 0 : at - low;
      at += high - low + 0.35;
      return [skeleton(pose, number, shift, false), skeleton(pose, number, shift, true)];
    });
    const lengthwise = found.poses.flat();
    data.unshift(floor(at, lengthwise.map((joint) => joint[2]), lengthwise.map((joint) => -joint[1])));
    const none = { showticklabels: false, showspikes: false, title: { text: "" }, zeroline: false, showbackground: false, showgrid: false };
    const scene = {
      aspectmode: "data", dragmode: "turntable", uirevision: "kept",
      xaxis: none, yaxis: none, zaxis: none,
      camera: { eye: { x: 0.4, y: -1.6, z: 0.4 }, projection: { type: "perspective" } },
    };
    const around = { l: 0, r: 0, t: 0, b: 0 };
    const look = { scene, margin: around, paper_bgcolor: "rgba(0,0,0,0)", uirevision: "kept", height: viewer.clientHeight };
    Plotly.react(viewer, data, look, config());
    document.getElementById("viewer-key").replaceChildren(
      ...examples.names.map((name, number) => {
        const item = document.createElement("li");
        const dot = document.createElement("i");
        dot.style.background = `var(--pose-${number})`;
        item.append(dot, number ? `${name}: ${found.errors[number - 1].toFixed(1)} mm` : name);
        return item;
      }),
    );
    document.querySelectorAll("#viewer-cases button").forEach((button, i) => {
      button.setAttribute("aria-pressed", String(i === chosen));
    });
  }

  function listCases() {
    const list = document.getElementById("viewer-cases");
    let heading = "";
    examples.cases.forEach((found, i) => {
      const above = `${found.evaluation}, ${found.rank}`;
      if (above !== heading) {
        const title = document.createElement("h3");
        title.textContent = heading = above;
        list.append(title);
      }
      const button = document.createElement("button");
      button.type = "button";
      for (const text of [found.what || "pose", `${found.errors[0].toFixed(1)} mm`]) {
        const part = document.createElement("span");
        part.textContent = text;
        button.append(part);
      }
      button.addEventListener("click", () => {
        chosen = i;
        view();
      });
      list.append(button);
    });
    over.addEventListener("change", view);
  }

  // ---------------------------------------------------------------- when to draw

  const drawn = new Set();
  const render = (place) => {
    drawn.add(place);
    if (place === viewer) view();
    else draw(place);
  };
  const plots = [...document.querySelectorAll(".plot")];
  // What nobody has scrolled to costs nothing, and what is printed is all there.
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        render(target);
      }
    },
    { rootMargin: "600px" },
  );
  if (viewer && examples) listCases();
  for (const place of plots) {
    const height = place === viewer ? 0 : figures[place.dataset.figure].layout.height || 380;
    if (height) place.style.minHeight = `${height}px`;
    seen.observe(place);
  }
  for (const change of [phone, dark]) change.addEventListener("change", () => drawn.forEach(render));
  addEventListener("beforeprint", () => plots.forEach(render));

  // ---------------------------------------------------------------- tables that sort

  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    if (body.rows.length < 3) continue;
    let column = 0;
    for (const heading of table.tHead.rows[0].cells) {
      const at = column;
      column += 1;
      if (!heading.textContent) continue;
      heading.classList.add("sorts");
      heading.tabIndex = 0;
      const value = (row) => row.cells[at].dataset.value ?? row.cells[at].textContent;
      const compare = (a, b) => {
        const [x, y] = [Number(value(a)), Number(value(b))];
        if (value(a) === "nan" || value(b) === "nan") return (value(a) === "nan") - (value(b) === "nan");
        return Number.isNaN(x) || Number.isNaN(y) ? value(a).localeCompare(value(b)) : x - y;
      };
      const sort = () => {
        const down = heading.ariaSort === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        heading.ariaSort = down ? "descending" : "ascending";
        body.append(...[...body.rows].sort((a, b) => (down ? compare(b, a) : compare(a, b))));
      };
      heading.addEventListener("click", sort);
      heading.addEventListener("keydown", (event) => event.key === "Enter" && sort());
    }
  }
})();
