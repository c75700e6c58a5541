"use strict";
(() => {
  const { bones, sides, frames, milliseconds, people } = JSON.parse(document.getElementById("data").textContent);
  const [seen, lifted, play, time, who, label] = ["seen", "lifted", "play", "time", "who", "frame"].map((id) =>
    document.getElementById(id),
  );
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const kinds = ["left", "right", ""];
  const tint = (kind) => colour(`--${kind || "middle"}`);

  // Where each person has a pose: frame number -> row.
  for (const person of people) person.row = new Map(person.at.map((frame, row) => [frame, row]));

  /** Return those who are shown, and the frames that they are in. */
  function chosen() {
    return who.value === "all" ? people : [people[Number(who.value)]];
  }

  /** Return joints in the view's axes: right, away from the camera, up; several people each in their place. */
  function placed(person, row, several, middle) {
    const root = person.root[row];
    const [x0, y0, z0] = several ? root.map((value, i) => value - middle[i]) : [0, 0, 0];
    return person.pose[row].map(([x, y, z]) => [x + x0, z + z0, -(y + y0)]);
  }

  // Squares of the floor, metres.
  const STEP = 0.5;
  let box, bounds, ground, middle;

  /** Find what holds everything that is shown over all time. */
  function measure() {
    const shown = chosen();
    const several = shown.length > 1;
    const points = shown.flatMap((person) => person.seen.flat());
    const span = (values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const [left, right] = span(points.map((p) => p[0]));
    const [top, bottom] = span(points.map((p) => p[1]));
    const margin = 0.06 * Math.max(right - left, bottom - top, 1);
    box = [left - margin, top - margin, right - left + 2 * margin, bottom - top + 2 * margin];
    seen.setAttribute("viewBox", box.join(" "));
    const roots = shown.flatMap((person) => person.root);
    middle = [0, 1, 2].map((i) => roots.reduce((sum, root) => sum + root[i], 0) / roots.length);
    const joints = shown.flatMap((person) => person.pose.flatMap((_, row) => placed(person, row, several, middle)));
    bounds = [0, 1, 2].map((i) => span(joints.map((joint) => joint[i])));
    ground = bounds.slice(0, 2).map(([a, b]) => [Math.floor(a / STEP - 0.4) * STEP, Math.ceil(b / STEP + 0.4) * STEP]);
  }

  function drawSeen(at) {
    const width = Math.max(box[2], box[3]) / 130;
    const lines = [];
    for (const person of chosen()) {
      const row = person.row.get(at);
      if (row === undefined) continue;
      bones.forEach(([a, b], i) => {
        const [p, q] = [person.seen[row][a], person.seen[row][b]];
        const known = person.known[row][a] && person.known[row][b];
        lines.push(
          `<line x1="${p[0]}" y1="${p[1]}" x2="${q[0]}" y2="${q[1]}" stroke="${tint(sides[i])}"` +
            ` stroke-width="${known ? width : width / 3}" stroke-linecap="round"/>`,
        );
      });
    }
    seen.innerHTML = lines.join("");
  }

  function floor() {
    const [[x0, x1], [y0, y1]] = ground;
    const [x, y] = [[], []];
    for (let at = x0; at <= x1 + 1e-6; at += STEP) x.push(at, at, null), y.push(y0, y1, null);
    for (let at = y0; at <= y1 + 1e-6; at += STEP) x.push(x0, x1, null), y.push(at, at, null);
    const z = x.map((value) => (value === null ? null : bounds[2][0]));
    return { type: "scatter3d", mode: "lines", x, y, z, line: { color: colour("--line"), width: 2 }, hoverinfo: "skip" };
  }

  function drawLifted(at) {
    const shown = chosen();
    const traces = kinds.map((kind) => {
      const [x, y, z] = [[], [], []];
      for (const person of shown) {
        const row = person.row.get(at);
        if (row === undefined) continue;
        const joints = placed(person, row, shown.length > 1, middle);
        bones.forEach((bone, i) => {
          if (sides[i] !== kind) return;
          for (const joint of bone) x.push(joints[joint][0]), y.push(joints[joint][1]), z.push(joints[joint][2]);
          for (const values of [x, y, z]) values.push(null);
        });
      }
      return {
        type: "scatter3d", mode: "lines+markers", x, y, z, connectgaps: false, hoverinfo: "skip",
        line: { color: tint(kind), width: 7 }, marker: { color: tint(kind), size: 2.5 },
      };
    });
    const largest = Math.max(...bounds.map(([a, b]) => b - a), 0.5);
    const none = { visible: false };
    const [low, high] = bounds[2];
    const range = [...ground, [low - 0.02, Math.max(high, low + 0.5) + 0.1]];
    const wide = range.map(([a, b]) => (1.3 * (b - a)) / largest);
    const scene = {
      aspectmode: "manual", aspectratio: { x: wide[0], y: wide[1], z: wide[2] }, dragmode: "turntable",
      uirevision: who.value,
      xaxis: { ...none, range: range[0] }, yaxis: { ...none, range: range[1] }, zaxis: { ...none, range: range[2] },
      camera: { eye: { x: 0.75, y: -1.3, z: 0.4 }, projection: { type: "orthographic" } },
    };
    const layout = {
      scene, showlegend: false, margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "rgba(0,0,0,0)",
      uirevision: who.value,
    };
    Plotly.react(lifted, [floor(), ...traces], layout, { displayModeBar: false, responsive: true });
  }

  function draw() {
    const at = Number(time.value);
    label.textContent = `frame ${frames[at]}`;
    drawSeen(at);
    drawLifted(at);
  }

  let playing = 0;
  function stop() {
    clearInterval(playing);
    playing = 0;
    play.textContent = "Play";
  }
  play.addEventListener("click", () => {
    if (playing) return stop();
    play.textContent = "Pause";
    playing = setInterval(
      () => {
        time.value = (Number(time.value) + 1) % frames.length;
        draw();
      },
      Math.max(milliseconds, 33),
    );
  });
  time.addEventListener("input", () => {
    stop();
    draw();
  });

  function choose() {
    measure();
    const own = chosen();
    if (!own.some((person) => person.row.has(Number(time.value)))) time.value = own[0].at[0];
    draw();
  }
  if (people.length > 1) who.append(new Option("everyone", "all"));
  people.forEach((person, i) => who.append(new Option(`track ${person.track}`, String(i))));
  who.hidden = people.length < 2;
  who.addEventListener("change", choose);
  time.max = frames.length - 1;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  choose();
})();
