/**
 * Tables of the documentation, for tests that prove each of their cells.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

/** A row, by the names of its columns as they stand. */
export type TableRow = Readonly<Record<string, string>>;

/**
 * The table of a file below docs/ whose first column has this name.
 *
 * @throws {AssertionError} when there is none, or a row has other columns
 */
export function readTable(file: string, first: string): TableRow[] {
  const url = new URL(`../../docs/${file}`, import.meta.url);
  const lines = readFileSync(url, "utf8").split("\n");
  const start = lines.findIndex((line) =>
    line.startsWith("|") && cellsOf(line)[0] === first
  );
  assert.ok(start >= 0, `${file} has no table that begins with "${first}"`);
  const names = cellsOf(lines[start]!);
  const end = lines.findIndex((line, i) => i > start && !line.startsWith("|"));
  return lines.slice(start + 2, end < 0 ? undefined : end).map((line) => {
    const cells = cellsOf(line);
    assert.equal(cells.length, names.length, `columns of ${line}`);
    return Object.fromEntries(names.map((name, i) => [name, cells[i]!]));
  });
}

/** What stands in backticks. */
export function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text!);
}

function cellsOf(line: string): string[] {
  // a bar within a cell is written with a backslash
  return line.replace(/^\|/, "").replace(/\|\s*$/, "").split(/(?<!\\)\|/)
    .map((cell) => cell.replaceAll("\\|", "|").trim());
}
