/**
 * The table of docs/FAULTS.md, row by row.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { SCENARIOS } from "./faults.ts";
import { quoted, readTable } from "../support/markdown_table.ts";

const GOES_ON = "–";
const rows = readTable("FAULTS.md", "Step").map((row) => ({
  name: `${row["Step"]}: ${row["What happens"]}`,
  endsWith: quoted(row["Ends with"]!),
  exit: row["Exit"]!,
  after: row["The phone then"]!,
}));

test("each row of docs/FAULTS.md can be let happen, and nothing else", () => {
  assert.deepEqual(rows.map(({ name }) => name), Object.keys(SCENARIOS));
});

for (const { name, endsWith, exit, after } of rows) {
  test(`fastboop boot: ${name}`, async () => {
    const found = await SCENARIOS[name]!();
    const isCode = (word: string) => word.includes(".");
    assert.deepEqual(found.codes, endsWith.filter(isCode));
    for (const word of endsWith.filter((one) => !isCode(one))) {
      assert.ok(found.told.has(word), `${word} in ${[...found.told]}`);
    }
    assert.equal(found.exit === undefined ? GOES_ON : `${found.exit}`, exit);
    assert.equal(found.usable ?? false, after.startsWith("usable"), after);
  });
}
