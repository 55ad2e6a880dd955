// A table that can be sorted and filtered, and whose rows stay the same elements
// while their figures change. What stands in its cells is the columns' business.

import { arrange, element, setAttribute, setText } from "./components.js";
import { count } from "./format.js";

/** Rows that are drawn before somebody asks for all of them. */
const FIRST_ROWS = 50;

export class Table {
  /**
   * @param section Where it goes, behind the heading.
   * @param columns Each {title, order, cell} and optionally {start, number, wide}: `order` gives what rows
   *   are sorted by, `cell` is a component, `start` is the direction of the first click.
   * @param sorted Title of the column that sorts at first.
   * @param search Gives the text in which the filter looks.
   * @param noun What a row is, singular and plural.
   * @param empty What is said when there are no rows.
   */
  constructor(section, { columns, sorted, search, noun, empty }) {
    Object.assign(this, { columns, search, noun, rows: [], drawn: new Map(), filter: "", all: false });
    this.sorted = columns.find((column) => column.title === sorted);
    this.direction = this.sorted.start ?? 1;
    this.caption = element("caption");
    this.headers = columns.map((column) => this.#header(column));
    this.body = element("tbody", { role: "rowgroup" });
    // Roles are spelled out: shown as cards, it would not count as a table any more.
    this.table = element(
      "table",
      { role: "table" },
      this.caption,
      element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...this.headers)),
      this.body,
    );
    this.empty = element("p", { class: "empty" }, empty);
    this.more = element("button", { type: "button", class: "more" });
    this.more.addEventListener("click", () => {
      this.all = !this.all;
      this.draw();
    });
    section.append(this.table, this.empty, this.more);
    this.draw();
  }

  update(rows) {
    this.rows = rows;
    this.draw();
  }

  setFilter(filter) {
    this.filter = filter;
    this.draw();
  }

  draw() {
    const wanted = this.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.rows.filter((row) => {
      const place = this.search(row).toLowerCase();
      return wanted.every((word) => place.includes(word));
    });
    found.sort((one, other) => this.#compare(one, other));
    const shown = this.all ? found : found.slice(0, FIRST_ROWS);
    const keys = new Set(shown.map((row) => row.key));
    for (const key of this.drawn.keys()) if (!keys.has(key)) this.drawn.delete(key);
    arrange(this.body, shown.map((row) => this.#draw(row)));
    this.#tell(found.length, shown.length);
  }

  #header(column) {
    const button = element("button", { type: "button" }, column.title);
    const header = element("th", { scope: "col", role: "columnheader", class: kind(column) }, button);
    button.addEventListener("click", () => {
      this.direction = this.sorted === column ? -this.direction : (column.start ?? 1);
      this.sorted = column;
      this.draw();
    });
    return header;
  }

  #draw(row) {
    let drawn = this.drawn.get(row.key);
    if (!drawn) {
      const line = element("tr", { role: "row" });
      const updates = this.columns.map((column, place) => {
        const [name, roles] = place ? ["td", { role: "cell" }] : ["th", { scope: "row", role: "rowheader" }];
        const cell = element(name, { ...roles, class: kind(column), "data-title": column.title });
        const inside = element("div", { class: "inside" });
        cell.append(inside);
        line.append(cell);
        return column.cell(inside);
      });
      drawn = { line, updates };
      this.drawn.set(row.key, drawn);
    }
    // To sort and to filter changes no figures.
    if (drawn.row !== row) drawn.updates.forEach((update) => update(row));
    drawn.row = row;
    return drawn.line;
  }

  /** Unknown is last, whichever way it is sorted; equals go by name. */
  #compare(one, other) {
    const [a, b] = [this.sorted.order(one), this.sorted.order(other)];
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined) || byName(one, other);
    const difference = typeof a === "string" ? words.compare(a, b) : a - b;
    return difference * this.direction || byName(one, other);
  }

  #tell(found, shown) {
    const [one, many] = this.noun;
    const total = this.rows.length;
    const of = found === total ? "" : ` of ${count(total)}`;
    const way = this.direction > 0 ? "ascending" : "descending";
    setText(this.caption, `${count(found)}${of} ${total === 1 ? one : many}, by ${this.sorted.title.toLowerCase()}, ${way}`);
    this.columns.forEach((column, place) => {
      setAttribute(this.headers[place], "aria-sort", column === this.sorted ? way : "none");
    });
    this.table.hidden = !total;
    this.empty.hidden = total > 0;
    this.more.hidden = found <= FIRST_ROWS;
    setText(this.more, this.all ? `Show the first ${FIRST_ROWS}` : `Show all ${count(found)} ${many}`);
    this.table.dataset.shown = shown;
  }
}

const kind = ({ number, wide }) => (number ? "number" : wide ? "wide" : "");
const words = new Intl.Collator(undefined, { numeric: true });
const byName = (one, other) => words.compare(one.key, other.key);
