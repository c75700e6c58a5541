// What stands around the two views: lists of images, people and joints, buttons, figures, messages.

const get = (id) => document.getElementById(id);
// The order in which U3DPW's joints were annotated; what a skeleton has besides comes after them.
const ORDER = [
  ..."RFoot RAnkle RKnee RHip LHip LKnee LFoot LAnkle RWrist RElbow RShoulder".split(" "),
  ..."LShoulder LElbow LWrist Neck Head HeadTop Spine Thorax Nose".split(" "),
];
const STATES = {
  none: ["○", "nobody"], begun: ["◐", "begun"], lifted: ["●", "everybody in 3D"], done: ["✓", "done"],
};

export class Panels {
  /** `on` has what buttons do, by name. */
  constructor({ skeleton, images, out }, on) {
    Object.assign(this, { skeleton, images, on });
    const names = ORDER.filter((name) => skeleton.joints.includes(name));
    const rest = skeleton.joints.filter((name) => !names.includes(name));
    this.order = [...names, ...rest].map((name) => skeleton.joints.indexOf(name));
    get("new").addEventListener("click", () => on.newPerson());
    get("remove").addEventListener("click", () => on.removePerson());
    for (const id of ["undo", "redo", "write", "next", "previous", "lift", "fit", "flip"])
      get(id).addEventListener("click", () => on[id]());
    get("done").addEventListener("change", () => on.done());
    get("focal").addEventListener("change", ({ target }) => {
      if (target.value && target.checkValidity()) on.focal(Number(target.value));
      else target.value = this.focal;
    });
    for (const [id, by] of [["smaller", 0.8], ["whole", 0], ["larger", 1.25]])
      get(id).addEventListener("click", () => on.zoom(by));
    for (const button of document.querySelectorAll("[data-view]"))
      button.addEventListener("click", () => on.look(button.dataset.view));
    get("message").querySelector("button").addEventListener("click", () => (get("message").hidden = true));
    get("write").title = `Ctrl+S: ${out}`;
    get("images").append(
      ...images.map(({ name }, number) => {
        const [item, button] = [document.createElement("li"), this.button("", () => on.open(number))];
        button.append(this.text("span", "mark", ""), this.text("span", "label", name));
        button.title = name;
        item.append(button);
        return item;
      }),
    );
    images.forEach((_, number) => this.mark(number));
    get("joints").append(
      ...this.order.map((joint) => {
        const button = this.button(skeleton.joints[joint], () => on.chooseJoint(joint));
        button.dataset.name = skeleton.joints[joint];
        return button;
      }),
    );
  }

  get auto() {
    return get("auto").checked;
  }

  saved(text, late) {
    get("saved").textContent = text;
    get("saved").className = late ? "late" : "";
  }

  say(text, bad) {
    const message = get("message");
    message.hidden = false;
    message.className = bad ? "bad" : "";
    message.firstElementChild.textContent = text;
  }

  button(text, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  }

  text(tag, kind, text) {
    const made = document.createElement(tag);
    made.className = kind;
    made.textContent = text;
    return made;
  }

  show(chosen, { again, fitting, beyond, history }) {
    const image = this.images[chosen.image], person = image.people[chosen.person];
    get("name").textContent = image.name;
    get("name").title = image.name;
    get("done").checked = image.done;
    this.focal = image.focal;
    if (document.activeElement !== get("focal")) get("focal").value = image.focal;
    get("undo").disabled = !history.past.length;
    get("redo").disabled = !history.future.length;
    get("previous").disabled = chosen.image === 0;
    get("next").disabled = chosen.image === this.images.length - 1;
    get("lift").disabled = get("fit").disabled = !person;
    get("flip").disabled = !person?.pose || !(this.skeleton.parents[chosen.joint] >= 0);
    this.showImage(chosen.image);
    this.showPeople(image, chosen.person);
    this.showJoints(person, chosen.joint);
    get("hint").replaceChildren(...this.hint(image, person, chosen.joint));
    const figures = [this.figures(person, again, beyond), fitting ? "fitting" : ""];
    get("figures").textContent = figures.filter(Boolean).join("; ");
  }

  /** Show in the list which image is open, and how it stands; there may be thousands of others. */
  showImage(current) {
    const list = get("images").children;
    if (current !== this.open) {
      list[this.open]?.firstElementChild.removeAttribute("aria-current");
      list[current].firstElementChild.setAttribute("aria-current", "true");
      list[current].scrollIntoView({ block: "nearest", inline: "nearest" });
      this.open = current;
    }
    this.mark(current);
  }

  mark(number) {
    const { people, done, name } = this.images[number];
    const state = done ? "done" : !people.length ? "none" : people.every(({ pose }) => pose) ? "lifted" : "begun";
    const button = get("images").children[number].firstElementChild;
    button.className = state;
    button.firstElementChild.textContent = STATES[state][0];
    button.setAttribute("aria-label", `${name}, ${STATES[state][1]}`);
    const ready = this.images.filter((image) => image.done).length;
    get("progress").textContent = `${ready} of ${this.images.length} done`;
  }

  // Buttons stay where they are, so that a click that a redraw comes between is not lost.
  showPeople({ people }, current) {
    const list = get("persons");
    while (list.children.length > people.length) list.lastElementChild.remove();
    while (list.children.length < people.length) {
      const number = list.children.length;
      const button = this.button(String(number + 1), () => this.on.choosePerson(number));
      button.setAttribute("aria-label", `Person ${number + 1}`);
      list.append(button);
    }
    [...list.children].forEach((button, number) => button.setAttribute("aria-pressed", number === current));
    get("remove").disabled = current < 0;
  }

  showJoints(person, current) {
    get("joints").hidden = !person;
    if (!person) return;
    this.order.forEach((joint, place) => {
      const button = get("joints").children[place];
      const bone = this.skeleton.bones.findIndex(([, child]) => child === joint);
      const state = ["missing", "hidden", "seen"][person.seen[joint]];
      button.className = `${state} side-${this.skeleton.sides[bone] || "none"}${joint === current ? " current" : ""}`;
      button.title = `${this.skeleton.joints[joint]}: ${state}`;
    });
  }

  hint(image, person, joint) {
    const name = this.skeleton.joints[joint];
    if (!person) return [image.people.length ? "Choose a person." : "Nobody is marked yet: New person (N)."];
    if (joint < 0) return ["Click a joint to choose it; drag it to move it."];
    const bold = this.text("b", "", name);
    if (!person.seen[joint]) return ["Click where ", bold, " is. M: it is not to be seen."];
    if (person.seen[joint] === 1) return [bold, ": hidden. H: it is seen."];
    return [bold, ": seen. H: hidden, M: missing; arrows move it."];
  }

  figures(person, again, beyond) {
    if (!person?.pose) return "";
    const apart = person.joints
      .map(([x, y], joint) => Math.hypot(x - again[joint][0], y - again[joint][1]))
      .filter((_, joint) => person.seen[joint]);
    const mean = apart.reduce((a, b) => a + b, 0) / apart.length;
    const said = apart.length ? [`${mean.toFixed(1)} px from the marks`] : [];
    said.push(`${person.pose[this.skeleton.root][2].toFixed(2)} m away`);
    if (person.by_hand) said.push("corrected by hand");
    const odd = beyond.map(([joint, angle]) => `${this.skeleton.joints[joint]} ${angle.toFixed(0)}°`);
    if (odd.length) said.push(`beyond what joints can do: ${odd.join(", ")}`);
    return said.join("; ");
  }
}
