/** Lists that are patched row by row, so that focus, open panels and what a reader hears stay where they are. */

/**
 * A list of rows.  `make` builds a row for an item: `{ element, update(item, index) }`; items have an `id`.
 */
export class RowList {
  constructor(container, make) {
    this.container = container;
    this.make = make;
    this.rows = new Map();
    this.shown = new Map();
  }

  /** Show these items in this order; `afresh` updates the rows of unchanged ones too. */
  render(items, afresh = false) {
    const focused = this.container.contains(document.activeElement) ? document.activeElement : null;
    const heir = focused && this.heirOf(focused, new Set(items.map((item) => String(item.id))));
    this.drop(items);
    let place = this.container.firstElementChild;
    items.forEach((item, index) => {
      const row = this.row(item);
      if (row.element === place) place = place.nextElementSibling;
      else this.container.insertBefore(row.element, place);
      const shown = this.shown.get(item.id);
      if (afresh || shown?.item !== item || shown.index !== index) row.update(item, index);
      this.shown.set(item.id, { item, index });
    });
    if (focused && document.activeElement !== focused) this.refocus(focused, heir);
  }

  row(item) {
    let row = this.rows.get(item.id);
    if (!row) {
      row = this.make(item);
      row.element.dataset.id = item.id;
      this.rows.set(item.id, row);
    }
    return row;
  }

  drop(items) {
    const kept = new Set(items.map((item) => item.id));
    for (const [id, row] of this.rows) {
      if (kept.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
      this.shown.delete(id);
    }
  }

  /** The row that follows the focused one, for when that goes; the one before it where none does. */
  heirOf(focused, ids) {
    const row = focused.closest("[data-id]");
    if (!row || ids.has(row.dataset.id)) return row;
    for (const way of ["nextElementSibling", "previousElementSibling"]) {
      for (let near = row[way]; near; near = near[way]) if (ids.has(near.dataset.id)) return near;
    }
    return null;
  }

  refocus(focused, heir) {
    if (focused.isConnected) focused.focus({ preventScroll: true });
    else if (heir) (heir.hasAttribute("tabindex") ? heir : heir.querySelector("button"))?.focus();
    else this.container.closest("section")?.querySelector("h2")?.focus();
  }
}
