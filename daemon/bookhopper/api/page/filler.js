/** Reads what a list lacks of what it is to show. */

const LEAST = 50;

export class Filler {
  /** `read(limit, offset)` gives a page of the list `name`, from the daemon. */
  constructor(state, name, read) {
    this.state = state;
    this.name = name;
    this.read = read;
    this.reading = false;
    this.end = -1;
  }

  get held() {
    return this.state.list(this.name).length;
  }

  /** Whether the daemon may hold more than the page has read. */
  get more() {
    return this.held < this.state.total(this.name) && this.held !== this.end;
  }

  /** Read up to `wanted` items, where there are as many; true when something came. */
  async fill(wanted) {
    if (this.reading || this.held >= wanted || !this.more) return false;
    this.reading = true;
    try {
      const before = this.held;
      const page = await this.read(Math.max(LEAST, wanted - before), before);
      this.state.add(this.name, page.items);
      if (this.held === before) this.end = before;
      return true;
    } finally {
      this.reading = false;
    }
  }
}
