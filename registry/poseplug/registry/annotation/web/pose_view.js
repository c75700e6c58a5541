// A pose in 3D: turned by dragging; a joint that is dragged turns the bone that ends there.
import { add, dot, norm, pointBone, scale, sub, turnBone } from "./geometry.js";
import { element } from "./image_view.js";

const NEAR = 14, VIEWS = { front: [0, 0.12], side: [-Math.PI / 2, 0.12], top: [0, Math.PI / 2] };
// Squares of the floor, metres.
const STEP = 0.5;

export class PoseView {
  /** `on` has `begin()`, `turned(pose)` and `end()` of a drag, and `choose(joint)`. */
  constructor(svg, skeleton, on) {
    Object.assign(this, { svg, skeleton, on, pose: null, joint: -1, zoomed: 1, hint: "" });
    [this.yaw, this.pitch] = VIEWS.front;
    svg.addEventListener("pointerdown", (event) => this.down(event));
    svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomed = Math.min(Math.max(this.zoomed * Math.exp(-event.deltaY * 0.0015), 0.3), 10);
      this.draw();
    }, { passive: false });
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  look(from) {
    [this.yaw, this.pitch] = VIEWS[from];
    this.draw();
  }

  show(pose, joint, hint) {
    // The view does not swim while a bone is turned; a new pose is put into its middle.
    if (pose && !(this.dragging && this.pose)) this.frame(pose);
    Object.assign(this, { pose, joint, hint });
    this.draw();
  }

  frame(pose) {
    this.middle = scale(pose.reduce(add), 1 / pose.length);
    this.reach = Math.max(0.3, ...pose.map((point) => norm(sub(point, this.middle))));
    this.ground = Math.max(...pose.map((point) => point[1]));
  }

  /** Rows: right, down and away from the eye, in the camera frame. */
  get axes() {
    const [sy, cy, sp, cp] = [Math.sin(this.yaw), Math.cos(this.yaw), Math.sin(this.pitch), Math.cos(this.pitch)];
    return [[cy, 0, sy], [sp * sy, cp, -sp * cy], [-cp * sy, sp, cp * cy]];
  }

  /** Return places on the screen, with how far away they are. */
  seen(points) {
    const { width, height } = this.svg.getBoundingClientRect();
    const axes = this.axes;
    this.scale = (this.zoomed * Math.min(width, height) * 0.44) / this.reach;
    return points.map((point) => {
      const [x, y, z] = axes.map((axis) => dot(axis, sub(point, this.middle)));
      return [width / 2 + this.scale * x, height / 2 + this.scale * y, z];
    });
  }

  down(event) {
    this.svg.focus({ preventScroll: true });
    if (!this.pose) return;
    const { left, top } = this.svg.getBoundingClientRect();
    const at = [event.clientX - left, event.clientY - top];
    const places = this.seen(this.pose);
    // Of joints that lie over each other, the one that is nearer to the eye.
    const near = places
      .map(([x, y, z], joint) => ({ joint, apart: Math.hypot(x - at[0], y - at[1]) + 2 * z }))
      .filter(({ joint }) => Math.hypot(places[joint][0] - at[0], places[joint][1] - at[1]) < NEAR)
      .sort((a, b) => a.apart - b.apart)[0];
    const joint = near ? near.joint : -1;
    this.svg.setPointerCapture(event.pointerId);
    if (joint >= 0) this.on.choose(joint);
    const from = { x: event.clientX, y: event.clientY, yaw: this.yaw, pitch: this.pitch, pose: this.pose };
    const move = (next) => {
      const by = [next.clientX - from.x, next.clientY - from.y];
      if (joint < 0) {
        this.yaw = from.yaw + by[0] * 0.01;
        this.pitch = Math.min(Math.max(from.pitch + by[1] * 0.01, -Math.PI / 2), Math.PI / 2);
        this.draw();
        return;
      }
      if (!this.dragging && Math.hypot(...by) < 3) return;
      if (!this.dragging) this.on.begin();
      this.dragging = true;
      this.on.turned(joint === this.skeleton.root ? this.turnAll(from.pose, by) : this.pull(from.pose, joint, by));
    };
    const up = () => {
      for (const [name, listener] of [["pointermove", move], ["pointerup", up], ["pointercancel", up]])
        this.svg.removeEventListener(name, listener);
      if (this.dragging) {
        this.dragging = false;
        this.on.end();
      }
    };
    this.svg.addEventListener("pointermove", move);
    this.svg.addEventListener("pointerup", up);
    this.svg.addEventListener("pointercancel", up);
  }

  /** Return the pose with a joint pulled by so many pixels, over the sphere about its parent. */
  pull(pose, joint, by) {
    const axes = this.axes, bone = sub(pose[joint], pose[this.skeleton.parents[joint]]);
    const length = norm(bone), now = axes.map((axis) => dot(axis, bone));
    const flat = [now[0] + by[0] / this.scale, now[1] + by[1] / this.scale];
    const long = norm(flat);
    const shown = long > length ? scale(flat, length / long) : flat;
    const deep = Math.sqrt(Math.max(length ** 2 - dot(shown, shown), 0)) * (now[2] < 0 ? -1 : 1);
    const wanted = [...shown, deep].map((value, i) => scale(axes[i], value)).reduce(add);
    return pointBone(pose, this.skeleton, joint, wanted);
  }

  turnAll(pose, by) {
    const once = turnBone(pose, this.skeleton, this.skeleton.root, this.axes[1], -by[0] * 0.01);
    return turnBone(once, this.skeleton, this.skeleton.root, this.axes[0], by[1] * 0.01);
  }

  draw() {
    if (!this.pose) {
      const text = element("text", { x: "50%", y: "50%" });
      text.textContent = this.hint;
      this.svg.replaceChildren(text);
      return;
    }
    const places = this.seen(this.pose), parts = this.floor();
    const nearness = (z) => Math.min(Math.max(1 - z / this.reach / 2, 0.4), 1.6);
    const drawn = this.skeleton.bones.map(([a, b], i) => {
      const away = (places[a][2] + places[b][2]) / 2, kind = this.skeleton.sides[i] || "middle";
      const line = element("line", {
        x1: places[a][0], y1: places[a][1], x2: places[b][0], y2: places[b][1],
        class: `bone ${kind}${b === this.joint ? " chosen" : ""}`, "stroke-width": 5 * nearness(away),
      });
      return { away, shape: line };
    });
    places.forEach(([x, y, z], joint) => {
      const kind = `joint middle${joint === this.joint ? " chosen" : ""}`;
      const circle = element("circle", { cx: x, cy: y, r: 3.5 * nearness(z), class: kind, "data-joint": joint });
      circle.append(element("title"));
      circle.firstChild.textContent = this.skeleton.joints[joint];
      drawn.push({ away: z - 0.05, shape: circle });
    });
    drawn.sort((a, b) => b.away - a.away);
    this.svg.replaceChildren(...parts, ...drawn.map(({ shape }) => shape));
  }

  floor() {
    const lines = [];
    const reach = Math.ceil(this.reach / STEP) * STEP;
    for (let at = -reach; at <= reach + 1e-6; at += STEP)
      for (const ends of [[[at, -reach], [at, reach]], [[-reach, at], [reach, at]]]) {
        const points = ends.map(([x, z]) => [this.middle[0] + x, this.ground, this.middle[2] + z]);
        const [a, b] = this.seen(points);
        lines.push(element("line", { x1: a[0], y1: a[1], x2: b[0], y2: b[1], class: "grid" }));
      }
    return lines;
  }
}
