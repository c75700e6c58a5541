// The page: what is chosen, what is changed, and what the two views and the lists show of it.
import { Fitting } from "./fitting.js";
import { flipBone, project, sub, turnBone, unit } from "./geometry.js";
import { History } from "./history.js";
import { ImageView } from "./image_view.js";
import { listen } from "./keys.js";
import { Panels } from "./panels.js";
import { PoseView } from "./pose_view.js";
import { ask, Saving } from "./saving.js";

const MISSING = 0, HIDDEN = 1, SEEN = 2;
const about = await ask("about");
const { skeleton, images } = about;
const histories = images.map(() => new History());
// What is chosen: an image, a person in it, a joint; and which of their joints the last fit found turned too far.
const chosen = { image: 0, person: -1, joint: -1 };
let beyond = [];

const here = () => images[chosen.image];
const person = () => here().people[chosen.person];
const copy = (image = chosen.image) => {
  const { people, focal, done } = images[image];
  return JSON.stringify({ people, focal, done });
};
const rounded = (rows, digits) => rows.map((row) => row.map((value) => Number(value.toFixed(digits))));

const saving = new Saving(images, (text, late) => panels.saved(text, late), taken, (text) => panels.say(text, true));
const fitting = new Fitting(images, { waits: show, found: fitted, failed: (text) => panels.say(text, true) });
const panels = new Panels(about, {
  open, newPerson, removePerson, undo, redo, write, flip,
  choosePerson: (number) => choose(number, -1),
  chooseJoint: (joint) => choose(chosen.person, joint),
  lift: () => fitting.fit(chosen.image, chosen.person, true, false),
  fit: () => fitting.fit(chosen.image, chosen.person, false, false),
  next: () => open(chosen.image + 1),
  previous: () => open(chosen.image - 1),
  done: () => change(() => (here().done = !here().done)),
  zoom: (by) => (by ? view.zoom(by) : view.whole()),
  look: (from) => depth.look(from),
  focal: (value) => change(() => (here().focal = value)) || fitting.again(chosen.image),
});
const view = new ImageView(document.getElementById("image"), skeleton, {
  choose, put, begin, end: () => end(true),
  moved: (joint, at) => mark(joint, at, person().seen[joint] || SEEN),
  broken: () => panels.say(`${here().name} cannot be shown any more; is it still there?`, true),
});
const depth = new PoseView(document.getElementById("pose"), skeleton, {
  begin, end: () => end(false),
  choose: (joint) => choose(chosen.person, joint),
  turned: (pose) => byHand(pose),
});
listen({
  m: () => toggle(MISSING), delete: () => toggle(MISSING), h: () => toggle(HIDDEN),
  j: () => step(1), k: () => step(-1),
  n: newPerson, p: () => here().people.length && choose((chosen.person + 1) % here().people.length, -1),
  pagedown: () => open(chosen.image + 1), pageup: () => open(chosen.image - 1), d: panels.on.done,
  l: panels.on.lift, f: panels.on.fit, b: flip, "+": () => view.zoom(1.25), "=": () => view.zoom(1.25),
  "-": () => view.zoom(0.8), 0: () => view.whole(), q: () => twist(-3), e: () => twist(3), arrow,
  "ctrl+z": undo, "ctrl+shift+z": redo, "ctrl+y": redo, "ctrl+s": write,
});

/** Show everything as it is. */
function show() {
  const image = here();
  const people = image.people.map(({ joints, seen, pose }) => ({
    marks: joints.map((at, i) => ({ at, seen: seen[i] })),
    again: pose && project(pose, image.focal, image.size),
  }));
  view.show(people, chosen.person, chosen.joint);
  const enough = Math.ceil(skeleton.joints.length / 2);
  depth.show(person()?.pose ?? null, chosen.joint, person() ? `Mark ${enough} joints, then lift (L)` : "");
  const again = people[chosen.person]?.again;
  panels.show(chosen, { again, fitting: fitting.busy, beyond, history: histories[chosen.image] });
}

function open(number) {
  if (number < 0 || number >= images.length) return;
  Object.assign(chosen, { image: number, person: images[number].people.length ? 0 : -1, joint: -1 });
  beyond = [];
  view.open(`images/${number}`, here().size);
  show();
}

function choose(number, joint) {
  if (number !== chosen.person) beyond = [];
  Object.assign(chosen, { person: number, joint });
  show();
}

/** Begin a change: what is there now can be had again by undo. */
function begin() {
  histories[chosen.image].note(copy());
}

/** End a change: it is shown and saved; where joints were moved, the pose follows. */
function end(marked) {
  saving.changed(chosen.image);
  const follows = marked && panels.auto && person() && !person().by_hand && enoughMarked();
  if (follows) fitting.soon(chosen.image, chosen.person);
  show();
}

function change(make, marked = false) {
  begin();
  make();
  end(marked);
}

const enoughMarked = () => person().seen.filter(Boolean).length * 2 >= skeleton.joints.length;

function mark(joint, at, seen) {
  person().joints[joint] = rounded([at], 2)[0];
  person().seen[joint] = seen;
  show();
}

/** Put the joint that is asked for at a place in the image, and ask for the next. */
function put(at) {
  const joint = chosen.joint;
  if (!person() || joint < 0 || person().seen[joint] !== MISSING) return choose(chosen.person, -1);
  change(() => {
    mark(joint, at, SEEN);
    chosen.joint = panels.order.find((other) => !person().seen[other] && !skipped.has(other)) ?? -1;
  }, true);
}

// Joints of the person begun last that were said to be missing: they are not asked for again.
let skipped = new Set();

function toggle(kind) {
  const joint = chosen.joint;
  if (!person() || joint < 0) return;
  if (kind === MISSING && person().seen[joint] === MISSING) {
    skipped.add(joint);
    const rest = panels.order.filter((other) => !person().seen[other] && !skipped.has(other));
    return choose(chosen.person, rest[0] ?? -1);
  }
  const pose = person().pose && project(person().pose, here().focal, here().size);
  if (!person().seen[joint] && !pose) return;
  change(() => {
    if (!person().seen[joint]) person().joints[joint] = rounded([pose[joint]], 2)[0];
    person().seen[joint] = person().seen[joint] === kind ? SEEN : kind;
  }, true);
}

function step(by) {
  if (!person()) return;
  const at = panels.order.indexOf(chosen.joint);
  choose(chosen.person, panels.order[(at + by + panels.order.length) % panels.order.length]);
}

function newPerson() {
  skipped = new Set();
  const count = skeleton.joints.length;
  change(() => {
    here().people.push({
      joints: Array.from({ length: count }, () => [0, 0]), seen: Array(count).fill(MISSING), pose: null, by_hand: false,
    });
    Object.assign(chosen, { person: here().people.length - 1, joint: panels.order[0] });
  });
}

function removePerson() {
  if (!person()) return;
  change(() => {
    here().people.splice(chosen.person, 1);
    Object.assign(chosen, { person: Math.min(chosen.person, here().people.length - 1), joint: -1 });
  });
}

function byHand(pose) {
  person().pose = rounded(pose, 5);
  person().by_hand = true;
  beyond = [];
  show();
}

function turn(pose) {
  change(() => byHand(pose));
}

function flip() {
  if (person()?.pose && chosen.joint >= 0) turn(flipBone(person().pose, skeleton, chosen.joint));
}

function twist(degrees) {
  const parent = skeleton.parents[chosen.joint];
  if (!person()?.pose || !(parent >= 0)) return;
  const axis = unit(sub(person().pose[chosen.joint], person().pose[parent]));
  turn(turnBone(person().pose, skeleton, chosen.joint, axis, (degrees * Math.PI) / 180));
}

/** An arrow key moves a joint of the image, or turns a bone where the 3D view was used last. */
function arrow([x, y], far) {
  if (!person() || chosen.joint < 0) return;
  if (document.activeElement === depth.svg) {
    if (!person().pose) return;
    const angle = ((far ? 15 : 3) * Math.PI) / 180;
    turn(turnBone(person().pose, skeleton, chosen.joint, x ? depth.axes[1] : depth.axes[0], angle * (-x || y)));
  } else if (person().seen[chosen.joint]) {
    const by = far ? 10 : 1, [u, v] = person().joints[chosen.joint];
    change(() => mark(chosen.joint, [u + by * x, v + by * y], person().seen[chosen.joint]), true);
  }
}

/** Take a pose that fits. */
function fitted(image, number, found, anew, quietly) {
  if (!quietly) histories[image].note(copy(image));
  const whose = images[image].people[number];
  whose.pose = found.pose;
  if (anew) whose.by_hand = false;
  if (image === chosen.image && number === chosen.person) beyond = found.beyond;
  saving.changed(image);
}

function restore(state) {
  if (state === undefined) return;
  Object.assign(here(), JSON.parse(state));
  chosen.person = Math.min(Math.max(chosen.person, here().people.length ? 0 : -1), here().people.length - 1);
  fitting.stop();
  saving.changed(chosen.image);
  show();
}

function undo() {
  restore(histories[chosen.image].undo(copy()));
}

function redo() {
  restore(histories[chosen.image].redo(copy()));
}

/** Another tab has changed an image: what it holds is shown, and what was changed here is gone. */
function taken(number, state) {
  images[number] = Object.assign(images[number], state);
  histories[number] = new History();
  panels.say(`${state.name} was changed in another tab, and is shown as it is there now; use one tab only.`, true);
  panels.mark(number);
  if (number === chosen.image) open(number);
}

async function write() {
  await saving.send();
  if (saving.waiting) return;
  try {
    panels.say((await ask("save", {})).said, false);
  } catch (error) {
    panels.say(error.message, true);
  }
}

// Other tabs with this page say so.
const others = new BroadcastChannel(`poseplug ${location.pathname}`);
others.onmessage = ({ data }) => {
  if (data === "who is there") others.postMessage("I am");
  else panels.say("This page is open in another tab as well; what both change is kept as the first has it.", true);
};
others.postMessage("who is there");
open(Math.max(images.findIndex(({ done }) => !done), 0));
panels.saved("saved", false);
document.body.dataset.ready = "yes";
