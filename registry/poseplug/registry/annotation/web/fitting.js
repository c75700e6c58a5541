// Poses that follow what is marked: asked of the server, soon after marks have moved or when they are asked for.
import { ask } from "./saving.js";

const SOON = 300;

export class Fitting {
  /** `on.waits()` is called as answers are awaited or come, `on.found(image, number, found, anew, quietly)` with what
   * fits, `on.failed(text)` if nothing does. */
  constructor(images, on) {
    Object.assign(this, { images, on, waiting: 0, timer: 0 });
  }

  /** Whether a pose will follow. */
  get busy() {
    return this.waiting > 0 || this.timer > 0;
  }

  /** Lift and fit somebody of an image once their marks have been still for a moment. */
  soon(image, number) {
    this.stop();
    // Anew: the lifter knows better with every mark than it did with the first half of them.
    this.timer = setTimeout(() => this.fit(image, number, true, true), SOON);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = 0;
  }

  /** Fit somebody; the answer is dropped if they have changed meanwhile. Quietly: that too few joints are marked is not
   * told, and there is nothing to undo. */
  async fit(image, number, anew, quietly) {
    this.stop();
    const whose = this.images[image].people[number];
    if (!whose) return;
    const asked = JSON.stringify([whose.joints, whose.seen]);
    this.waiting += 1;
    this.on.waits();
    try {
      const found = await ask(`fit/${image}`, { person: whose, focal: this.images[image].focal, anew });
      const same = this.images[image].people[number] === whose && JSON.stringify([whose.joints, whose.seen]) === asked;
      if (found.reason && !quietly) this.on.failed(found.reason);
      const overtaken = quietly && anew && whose.by_hand;
      if (found.pose && same && !overtaken) this.on.found(image, number, found, anew, quietly);
    } catch (error) {
      this.on.failed(error.message);
    } finally {
      this.waiting -= 1;
      this.on.waits();
    }
  }

  /** Fit all of an image again, as its camera has changed. */
  async again(image) {
    for (const [number, { pose, by_hand }] of this.images[image].people.entries())
      if (pose) await this.fit(image, number, !by_hand, true);
  }
}
