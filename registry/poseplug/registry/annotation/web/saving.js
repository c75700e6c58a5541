// Every change is sent to the server soon, and whatever is unsent as the page is closed; nothing is kept here.

const SOON = 250, AGAIN = 2000;

/** Ask the server; return its answer, or throw an Error that says what is wrong, with its status. */
export async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, body === undefined ? {} : { method: "POST", body: JSON.stringify(body) });
  } catch {
    throw Object.assign(new Error("poseplug is not reached; is it still running in its terminal?"), { status: 0 });
  }
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.error), { status: answer.status, told });
  return told;
}

export class Saving {
  /** `images` are as the server tells them; `show(text, late)` says how it stands, `refused(number, state)` that
   * another tab was first, `failed(text)` that something else is wrong. */
  constructor(images, show, refused, failed) {
    Object.assign(this, { images, show, refused, failed });
    this.writer = crypto.randomUUID();
    this.sequence = 0;
    this.unsent = new Set();
    this.sent = new Map();
    this.timer = 0;
    addEventListener("pagehide", () => this.rest());
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.rest());
  }

  get waiting() {
    return this.unsent.size + this.sent.size;
  }

  changed(number) {
    this.unsent.add(number);
    this.show("saving", false);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), SOON);
  }

  message(number) {
    const { people, focal, done, version } = this.images[number];
    return { people, focal, done, version, writer: this.writer, sequence: ++this.sequence };
  }

  /** Send what is unsent; resolves when it is on the disk, or could not be sent. */
  async send() {
    clearTimeout(this.timer);
    const numbers = [...this.unsent];
    this.unsent.clear();
    await Promise.all(numbers.map((number) => this.sendOne(number)));
    if (!this.waiting) this.show("saved", false);
  }

  async sendOne(number) {
    const message = this.message(number);
    this.sent.set(number, message.sequence);
    try {
      const { version } = await ask(`states/${number}`, message);
      this.images[number].version = Math.max(this.images[number].version, version);
    } catch (error) {
      if (error.status === 409) this.refused(number, error.told.state);
      else {
        this.unsent.add(number);
        this.show("not saved yet", true);
        this.failed(error.message);
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.send(), AGAIN);
      }
    } finally {
      if (this.sent.get(number) === message.sequence) this.sent.delete(number);
    }
  }

  /** Send what has no answer yet as the page goes away. */
  rest() {
    for (const number of new Set([...this.unsent, ...this.sent.keys()]))
      navigator.sendBeacon(`states/${number}`, JSON.stringify(this.message(number)));
    // If the page stays after all, those without an answer are sent again.
    if (this.unsent.size) this.timer = setTimeout(() => this.send(), SOON);
  }
}
