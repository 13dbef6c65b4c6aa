"use strict";
(() => {
  const PAGE = 20;

  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children.filter((child) => child !== null));
    return made;
  };

  // ---- tables: sort by a column, copy as LaTeX or CSV

  const valueOf = (cell) => {
    const value = cell.dataset.value ?? cell.textContent.trim();
    if (value === "" || value === "–") return "";
    const number = Number(value);
    return Number.isNaN(number) ? value : number;
  };

  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  };

  const sortBy = (table, column, heading) => {
    const descending = heading.getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => {
      const [first, second] = [valueOf(a.cells[column]), valueOf(b.cells[column])];
      const order = compare(first, second);
      return descending && first !== "" && second !== "" ? -order : order;
    });
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    body.append(...rows);
  };

  const makeSortable = (table) => {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = element("button", { type: "button", className: "sort" }, ...heading.childNodes);
      button.addEventListener("click", () => sortBy(table, column, heading));
      heading.append(button);
    });
  };

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = element("textarea", { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };

  const makeCopy = (button) => {
    button.hidden = false;
    const title = button.textContent;
    button.addEventListener("click", async () => {
      await copy(button.dataset.text);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = title), 1500);
    });
  };

  // ---- examples: filter, search, sort, compare defences

  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };

  const rowsOf = (data) => {
    const { columns } = data;
    const text = (list, row) => (columns[list][row] < 0 ? null : data[list][columns[list][row]]);
    return columns.ids.map((_, row) => ({
      id: text("ids", row),
      place: text("places", row),
      attack: text("attacks", row),
      defence: text("defences", row),
      outcome: text("outcomes", row),
      original: text("originals", row),
      adversarial: text("adversarials", row),
      message: text("messages", row),
      seed: columns.seed[row],
      label: columns.label[row],
      before: columns.original_prediction[row],
      after: columns.adversarial_prediction[row],
      queries: columns.queries[row],
      words: columns.words_changed[row],
      similarity: columns.similarity[row],
      searched: ["ids", "originals", "adversarials"].map((list) => text(list, row) ?? "").join("\n").toLowerCase(),
    }));
  };

  // Longest common subsequence of words; both texts in stretches, those that differ marked.
  const differences = (first, second) => {
    const [a, b] = [first, second].map((text) => text.match(/\s+|\S+/g) ?? []);
    const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i--)
      for (let j = b.length - 1; j >= 0; j--)
        table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    const [left, right] = [[], []];
    let [i, j] = [0, 0];
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) {
        left.push([a[i++], false]);
        right.push([b[j++], false]);
      } else if (j >= b.length || (i < a.length && table[i + 1][j] >= table[i][j + 1])) left.push([a[i++], true]);
      else right.push([b[j++], true]);
    }
    return [left, right];
  };

  const LONG = 2000;
  const marked = (first, second) => {
    if (first.length * second.length > LONG * LONG) return [[[first, false]], [[second, false]]];
    return differences(first, second);
  };

  const pieces = (parts) => parts.map(([text, changed]) => (changed ? element("mark", {}, text) : text));

  const nameOf = (data, row, label) => (label === null ? "–" : (data.labels[row.place]?.[label] ?? String(label)));

  const factsOf = (data, row) => {
    const facts = [`gold ${nameOf(data, row, row.label)}`];
    if (row.before !== null) {
      const after = row.after === null ? "" : ` → ${nameOf(data, row, row.after)}`;
      facts.push(`prediction ${nameOf(data, row, row.before)}${after}`);
    }
    if (row.queries !== null) facts.push(`${row.queries} queries`);
    if (row.words !== null) facts.push(`${row.words} ${row.words === 1 ? "word" : "words"} changed`);
    if (row.similarity !== null) facts.push(`similarity ${row.similarity.toFixed(3)}`);
    if (row.message !== null) facts.push(row.message);
    return facts.join(" · ");
  };

  const badge = (outcome) => element("span", { className: `badge ${outcome}` }, outcome);

  // Of one model: what the attack made of the text.
  const cardOf = (data, row) => {
    const heading = element("p", { className: "who" }, element("strong", {}, row.defence), ` seed ${row.seed} `, badge(row.outcome));
    const facts = element("p", { className: "muted" }, factsOf(data, row));
    if (row.adversarial === null) return element("div", { className: "model" }, heading, facts);
    const [, changed] = marked(row.original ?? "", row.adversarial);
    const text = element("p", { className: "adversarial", dir: "auto" }, ...pieces(changed));
    return element("div", { className: "model" }, heading, facts, text);
  };

  const openEntry = (data, all, row, entry) => {
    if (entry.dataset.filled) return;
    entry.dataset.filled = "yes";
    const beside = all.filter((other) => other.id === row.id && other.attack === row.attack && other.place === row.place);
    const link = element("a", { href: `#example/${encodeURIComponent(row.id)}` }, "Link to this example");
    entry.append(
      element("p", { className: "original", dir: "auto" }, row.original ?? "–"),
      element("div", { className: "models" }, ...beside.map((other) => cardOf(data, other))),
      element("p", { className: "muted" }, `Example ${row.id} under ${row.attack}, ${row.place}. `, link),
    );
  };

  const entryOf = (data, all, row) => {
    const start = (row.original ?? "–").slice(0, 90);
    const summary = element(
      "summary",
      {},
      badge(row.outcome),
      ` ${row.attack} on ${row.defence} `,
      element("span", { className: "muted" }, `${start}${(row.original ?? "").length > 90 ? " …" : ""}`),
    );
    const entry = element("details", {}, summary);
    entry.addEventListener("toggle", () => entry.open && openEntry(data, all, row, entry));
    return entry;
  };

  // Rows come in the order of their example ids; those without the number stand last.
  const last = Number.MAX_VALUE;
  const ORDERS = {
    "example id": null,
    "fewest queries": (row) => row.queries ?? last,
    "most queries": (row) => (row.queries === null ? last : -row.queries),
    "fewest words changed": (row) => row.words ?? last,
    "most words changed": (row) => (row.words === null ? last : -row.words),
    "most alike": (row) => (row.similarity === null ? last : -row.similarity),
    "least alike": (row) => row.similarity ?? last,
  };

  const select = (form, title, name, options, every) => {
    const list = element("select", { name }, ...options.map((option) => element("option", { value: option }, option)));
    if (every) list.prepend(element("option", { value: "", selected: true }, every));
    form.append(element("label", {}, title, list));
  };

  const found = (data, rows, form) => {
    const wanted = Object.fromEntries(new FormData(form));
    const search = wanted.search.trim().toLowerCase();
    const fits = (row) =>
      ["place", "defence", "attack", "outcome"].every((key) => !wanted[key] || row[key] === wanted[key]) &&
      (!wanted.label || nameOf(data, row, row.label) === wanted.label) &&
      (!search || row.searched.includes(search));
    const order = ORDERS[wanted.order];
    return order ? rows.filter(fits).sort((a, b) => order(a) - order(b)) : rows.filter(fits);
  };

  const browse = async (root) => {
    const data = await unpack(document.getElementById("example-data").textContent);
    const rows = rowsOf(data);
    const form = root.querySelector("form");
    const list = root.querySelector(".entries");
    const count = root.querySelector("output");
    const more = root.querySelector("button.more");
    const labels = [...new Set(rows.map((row) => nameOf(data, row, row.label)))].sort();
    if (data.places.length > 1) select(form, "Task", "place", data.places, "all");
    select(form, "Defence", "defence", data.defences, "all");
    select(form, "Attack", "attack", data.attacks, "all");
    select(form, "Outcome", "outcome", data.outcomes, "all");
    select(form, "Gold label", "label", labels, "all");
    select(form, "Order", "order", Object.keys(ORDERS), null);
    let matches = [];
    let shown = 0;
    const next = () => {
      list.append(...matches.slice(shown, shown + PAGE).map((row) => entryOf(data, rows, row)));
      shown = Math.min(shown + PAGE, matches.length);
      more.hidden = shown >= matches.length;
      count.textContent = `${matches.length.toLocaleString("en")} of ${data.total.toLocaleString("en")} rows, ${shown} shown`;
    };
    const update = () => {
      matches = found(data, rows, form);
      shown = 0;
      list.replaceChildren();
      next();
    };
    const follow = () => {
      const asked = location.hash.match(/^#example\/(.+)$/);
      if (!asked) return;
      form.reset();
      form.elements.search.value = decodeURIComponent(asked[1]);
      update();
      const first = list.querySelector("details");
      if (first) first.open = true;
      root.scrollIntoView();
    };
    let pending;
    form.addEventListener("input", (event) => {
      clearTimeout(pending);
      pending = setTimeout(update, event.target.type === "search" ? 150 : 0);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    more.addEventListener("click", next);
    window.addEventListener("hashchange", follow);
    root.hidden = false;
    update();
    follow();
  };

  document.querySelectorAll("figure.table table").forEach(makeSortable);
  document.querySelectorAll("button.copy").forEach(makeCopy);
  const root = document.getElementById("browser");
  if (root) browse(root).catch(() => (document.getElementById("no-browser").hidden = false));
})();
