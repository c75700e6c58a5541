// What an image was like before each change; one for each image.

const MOST = 200;

export class History {
  constructor() {
    this.past = [];
    this.future = [];
  }

  /** Note what the image is like, before it is changed. */
  note(state) {
    this.past.push(state);
    if (this.past.length > MOST) this.past.shift();
    this.future = [];
  }

  /** Return what it was like before the last change, given what it is like now; undefined if nothing is known. */
  undo(now) {
    return this.step(this.past, this.future, now);
  }

  redo(now) {
    return this.step(this.future, this.past, now);
  }

  step(from, to, now) {
    if (!from.length) return undefined;
    to.push(now);
    return from.pop();
  }
}
