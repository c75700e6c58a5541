// The image with its people: zoomed, panned, joints dragged; where the 3D pose is seen is drawn dashed.

const NEAR = 14, STILL = 4, NS = "http://www.w3.org/2000/svg";

export const element = (name, attributes = {}) => {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

export class ImageView {
  /** `on` has `begin()`, `moved(joint, [x, y])` and `end()` of a drag, `put([x, y])`, `choose(person, joint)`,
   * and `broken()` where the image cannot be shown. */
  constructor(svg, skeleton, on) {
    Object.assign(this, { svg, skeleton, on, box: [0, 0, 1, 1], size: [1, 1], people: [], chosen: -1, joint: -1 });
    this.picture = element("image", { x: 0, y: 0 });
    this.layer = element("g");
    this.picture.addEventListener("error", () => on.broken());
    svg.append(this.picture, this.layer);
    svg.addEventListener("pointerdown", (event) => this.down(event));
    svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    svg.addEventListener("contextmenu", (event) => event.preventDefault());
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  /** Show another image. */
  open(address, size) {
    this.size = size;
    this.picture.setAttribute("width", size[0]);
    this.picture.setAttribute("height", size[1]);
    this.picture.setAttribute("href", address);
    this.whole();
  }

  whole() {
    this.box = [0, 0, ...this.size];
    this.draw();
  }

  /** Show people with `marks` [J] of {at, seen}, `again` [J, 2] or null; one of them and one joint are chosen. */
  show(people, chosen, joint) {
    Object.assign(this, { people, chosen, joint });
    this.draw();
  }

  /** Image pixels that a pixel of the screen is wide. */
  get unit() {
    const { width, height } = this.svg.getBoundingClientRect();
    return Math.max(this.box[2] / Math.max(width, 1), this.box[3] / Math.max(height, 1));
  }

  at(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return [point.x, point.y];
  }

  zoom(by, about = [this.box[0] + this.box[2] / 2, this.box[1] + this.box[3] / 2]) {
    // From a quarter of the window to a sixtieth of the image.
    const now = this.size[0] / this.box[2], factor = Math.min(Math.max(by, 0.25 / now), 60 / now);
    this.box = [
      ...[0, 1].map((i) => about[i] + (this.box[i] - about[i]) / factor),
      ...[2, 3].map((i) => this.box[i] / factor),
    ];
    this.draw();
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), this.at(event));
  }

  /** Return [person, joint] near a place in the image, those of the chosen person first. */
  near(at) {
    const reach = NEAR * this.unit;
    let best = [-1, -1], least = Infinity;
    this.people.forEach((person, number) =>
      person.marks.forEach((mark, joint) => {
        const place = mark.seen ? mark.at : number === this.chosen && person.again?.[joint];
        if (!place) return;
        const apart = Math.hypot(place[0] - at[0], place[1] - at[1]) + (number === this.chosen ? 0 : reach / 2);
        if (apart < Math.min(reach, least)) [best, least] = [[number, joint], apart];
      }),
    );
    return best;
  }

  down(event) {
    this.svg.focus({ preventScroll: true });
    const [person, near] = event.button === 0 ? this.near(this.at(event)) : [-1, -1];
    const others = person >= 0 && person !== this.chosen;
    if (others && !this.asked) return this.on.choose(person, near);
    const joint = others ? -1 : near;
    this.svg.setPointerCapture(event.pointerId);
    const from = [event.clientX, event.clientY], box = [...this.box], began = this.at(event);
    const offset = joint < 0 ? [0, 0] : this.placeOf(joint).map((value, i) => value - began[i]);
    let moved = false;
    if (joint >= 0 && !this.asked) this.on.choose(person, joint);
    const move = (next) => {
      const by = [next.clientX - from[0], next.clientY - from[1]];
      if (!moved && Math.hypot(...by) < STILL) return;
      if (!moved && joint >= 0) {
        this.on.choose(person, joint);
        this.on.begin();
      }
      moved = true;
      if (joint >= 0) {
        const at = this.at(next);
        this.on.moved(joint, [at[0] + offset[0], at[1] + offset[1]]);
      } else {
        this.svg.classList.add("panning");
        this.box = [box[0] - by[0] * this.unit, box[1] - by[1] * this.unit, box[2], box[3]];
        this.draw();
      }
    };
    const up = (last) => {
      for (const [name, listener] of [["pointermove", move], ["pointerup", up], ["pointercancel", up]])
        this.svg.removeEventListener(name, listener);
      this.svg.classList.remove("panning");
      if (moved && joint >= 0) this.on.end();
      const clicked = !moved && event.button === 0 && last.type === "pointerup";
      if (clicked && (joint < 0 || this.asked)) this.on.put(began);
    };
    this.svg.addEventListener("pointermove", move);
    this.svg.addEventListener("pointerup", up);
    this.svg.addEventListener("pointercancel", up);
  }

  /** Whether a joint is asked for: then a click puts it, also where another one is near. */
  get asked() {
    return this.joint >= 0 && !this.people[this.chosen]?.marks[this.joint].seen;
  }

  placeOf(joint) {
    const person = this.people[this.chosen];
    return person.marks[joint].seen ? person.marks[joint].at : person.again[joint];
  }

  draw() {
    this.svg.setAttribute("viewBox", this.box.join(" "));
    const order = this.people.map((_, i) => i).sort((a, b) => (a === this.chosen) - (b === this.chosen));
    this.layer.replaceChildren(...order.map((number) => this.person(this.people[number], number)));
  }

  person({ marks, again }, number) {
    const chosen = number === this.chosen, group = element("g", chosen ? {} : { class: "others" });
    const line = (a, b, kind) => element("line", { x1: a[0], y1: a[1], x2: b[0], y2: b[1], class: kind });
    const side = (bone) => this.skeleton.sides[bone] || "middle";
    this.skeleton.bones.forEach(([a, b], i) => {
      if (!marks[a].seen || !marks[b].seen) return;
      group.append(line(marks[a].at, marks[b].at, "under"), line(marks[a].at, marks[b].at, `bone ${side(i)}`));
    });
    if (again && chosen)
      this.skeleton.bones.forEach(([a, b], i) => group.append(line(again[a], again[b], `again ${side(i)}`)));
    const radius = (chosen ? 5 : 3.5) * this.unit;
    marks.forEach(({ at, seen }, joint) => {
      const place = seen ? at : chosen && again?.[joint];
      if (!place) return;
      const bone = this.skeleton.bones.findIndex(([, child]) => child === joint);
      const kinds = ["joint", bone < 0 ? "middle" : side(bone), ["missing", "hidden", "seen"][seen]];
      if (chosen && joint === this.joint) kinds.push("chosen");
      const circle = element("circle", { cx: place[0], cy: place[1], r: radius, class: kinds.join(" ") });
      if (chosen) circle.dataset.joint = joint;
      circle.append(element("title"));
      circle.firstChild.textContent = this.skeleton.joints[joint];
      group.append(circle);
    });
    return group;
  }
}
