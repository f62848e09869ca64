"""The style sheet of the page, and the script that sorts its tables."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --soft: #5a5a60; --line: #d8d8dc;
  --back: #ffffff; --card: #f5f6f8; --blue: #0060a0; --red: #b34700; --link: #0060a0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8ea; --soft: #a6a6ad; --line: #3a3a40;
  --back: #17181b; --card: #212327; --blue: #6db7ee; --red: #f39255; --link: #6db7ee; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 14px 20px 60px; }
h1 { font-size: 27px; line-height: 1.25; margin: 4px 0 12px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 40px 0 8px; padding-top: 12px; border-top: 1px solid var(--line); }
h3 { font-size: 16px; margin: 24px 0 4px; }
p, figcaption, li { max-width: 78ch; overflow-wrap: anywhere; }
a { color: var(--link); }
.soft, figcaption { color: var(--soft); font-size: 14px; }
.answer { background: var(--card); border-left: 4px solid var(--blue); padding: 8px 18px;
  border-radius: 4px; }
.answer p { font-size: 18px; font-weight: 600; margin: 8px 0; }
nav { margin: 20px 0; max-width: none; }
.warnings { border-left: 4px solid var(--red); background: var(--card); border-radius: 4px;
  padding: 4px 18px; margin: 16px 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 12px 5px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { white-space: nowrap; vertical-align: bottom; }
.number { text-align: right; white-space: nowrap; }
td.name { min-width: 200px; overflow-wrap: anywhere; }
@media (max-width: 640px) { main { padding: 12px 14px 40px; } h1 { font-size: 21px; }
  td.name { min-width: 110px; max-width: 170px; } }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible { outline: 2px solid var(--link); }
th[aria-sort=ascending] button::after { content: " \\25B2"; font-size: 10px; }
th[aria-sort=descending] button::after { content: " \\25BC"; font-size: 10px; }
.verdict { min-width: 110px; max-width: 180px; font-weight: 600; }
.better { color: var(--blue); } .worse { color: var(--red); }
.undecided, .baseline { color: var(--soft); font-weight: 400; }
figure { margin: 8px 0 14px; }
figure img { max-width: 100%; height: auto; background: #ffffff; border-radius: 4px; }
pre { background: var(--card); padding: 12px 16px; border-radius: 4px; overflow-x: auto;
  font-size: 13px; white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; }
@media print { body { font-size: 11pt; } main { max-width: none; padding: 0; }
  figure, tr, .answer { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .wide { overflow: visible; } table { font-size: 8.5pt; } th, td { padding-right: 8px; } }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  headings.forEach((heading, place) => heading.firstElementChild.addEventListener("click", () => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    headings.forEach(other => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => row.cells[place].dataset.key;
    const isNumber = heading.classList.contains("number");
    const compare = (a, b) => isNumber ? a - b : a.localeCompare(b);
    [...body.rows].sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      if (a === "" || b === "") return (a === "") - (b === "");  // empty cells stay last
      return down ? compare(b, a) : compare(a, b);
    }).forEach(row => body.append(row));
  }));
}
addEventListener("beforeprint", () =>
  document.querySelectorAll("details").forEach(details => { details.open = true; }));
"""
