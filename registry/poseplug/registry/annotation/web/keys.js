// From keys to what they do.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Call what a key stands for: `keys` has functions by names such as "m" and "ctrl+z", and `arrow([x, y], far)`. */
export function listen(keys) {
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input[type=number]")) return;
    const way = ARROWS[event.key], held = event.ctrlKey || event.metaKey;
    if (event.altKey || (way && (held || event.target.matches("summary")))) return;
    const name = `${held ? "ctrl+" : ""}${held && event.shiftKey ? "shift+" : ""}${event.key.toLowerCase()}`;
    const act = way ? () => keys.arrow(way, event.shiftKey) : name !== "arrow" && keys[name];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
