/** Dragging rows by their handle with mouse, pen or finger. */

const THRESHOLD = 4;
const EDGE = 72;
const SCROLL = 14;

export class Drag {
  /**
   * @param {HTMLElement} list  its rows have `data-id`, their handles the class `grip`
   * @param {(id: number, before: number|null) => void} onDrop
   * @param {() => void} onEnd  called after each drag, dropped or not
   */
  constructor(list, onDrop, onEnd) {
    this.list = list;
    this.onDrop = onDrop;
    this.onEnd = onEnd;
    this.row = null;
    this.active = false;
    list.addEventListener("pointerdown", (event) => this.begin(event));
    list.addEventListener("pointermove", (event) => this.follow(event));
    list.addEventListener("pointerup", () => this.end(true));
    list.addEventListener("pointercancel", () => this.end(false));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.end(false);
    });
  }

  begin(event) {
    const grip = event.target.closest(".grip");
    if (!grip || event.button !== 0 || this.row) return;
    this.row = grip.closest("[data-id]");
    this.grip = grip;
    this.pointer = event.pointerId;
    this.startY = event.clientY + window.scrollY;
    this.y = event.clientY;
    grip.setPointerCapture(event.pointerId);
    event.preventDefault();
    this.row.focus({ preventScroll: true });
  }

  follow(event) {
    if (!this.row || event.pointerId !== this.pointer) return;
    this.y = event.clientY;
    if (!this.active && Math.abs(this.y + window.scrollY - this.startY) < THRESHOLD) return;
    if (!this.active) this.lift();
    this.place();
  }

  lift() {
    this.active = true;
    this.row.classList.add("lifted");
    this.list.classList.add("sorting");
    this.scrolling = requestAnimationFrame(() => this.scroll());
  }

  /** Draw the row at the pointer, and a line where it would come to lie. */
  place() {
    this.row.style.transform = `translate(1.25rem, ${this.y + window.scrollY - this.startY}px)`;
    this.mark(null);
    const { left, width, top, bottom } = this.list.getBoundingClientRect();
    const y = Math.min(Math.max(this.y, top + 2, 1), bottom - 2, window.innerHeight - 1);
    const rows = document.elementsFromPoint(left + width / 2, y).map((element) => element.closest("[data-id]"));
    const over = rows.find((row) => row && row !== this.row && row.parentElement === this.list);
    if (!over) return;
    const box = over.getBoundingClientRect();
    const target = y < box.top + box.height / 2 ? over : this.after(over);
    this.mark(target, target === null ? over : target);
  }

  /** The row behind another one, the dragged one passed over; null where that is the last. */
  after(row) {
    const next = row.nextElementSibling;
    return next === this.row ? next.nextElementSibling : next;
  }

  /** Remember the row to come before (null: the end), and show it; without a row, forget. */
  mark(target, row) {
    this.marked?.classList.remove("drop-before", "drop-after");
    this.marked = row ?? null;
    this.target = row ? target : undefined;
    this.marked?.classList.add(target === null ? "drop-after" : "drop-before");
  }

  /** Scroll while the pointer is near the window's edge. */
  scroll() {
    if (!this.active) return;
    const low = this.y - (window.innerHeight - EDGE);
    const high = EDGE - this.y;
    const by = low > 0 ? Math.min(low, SCROLL) : high > 0 ? -Math.min(high, SCROLL) : 0;
    if (by) {
      window.scrollBy({ top: by, behavior: "instant" });
      this.place();
    }
    this.scrolling = requestAnimationFrame(() => this.scroll());
  }

  end(dropped) {
    if (!this.row) return;
    const { row, target, active } = this;
    cancelAnimationFrame(this.scrolling);
    this.mark(null);
    row.classList.remove("lifted");
    row.style.transform = "";
    this.list.classList.remove("sorting");
    if (this.grip.hasPointerCapture(this.pointer)) this.grip.releasePointerCapture(this.pointer);
    this.row = null;
    this.active = false;
    if (dropped && active && target !== undefined && target !== row.nextElementSibling) {
      this.onDrop(Number(row.dataset.id), target ? Number(target.dataset.id) : null);
    }
    this.onEnd();
  }
}
