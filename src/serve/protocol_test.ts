import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import {
  ConfigLayout,
  decodeConfig,
  encodeConfig,
  ExportLayout,
} from "./config.ts";
import { decodeLog, LogLayout } from "./device_log.ts";
import { deriveExportId } from "./export_id.ts";
import {
  decodeIdent,
  decodeRequest,
  decodeResponse,
  decodeStatus,
  encodeIdent,
  encodeRequest,
  encodeResponse,
  encodeStatus,
  IdentLayout,
  MessageLayout,
  OPCODES,
  StatusLayout,
} from "./messages.ts";
import type { ControlSetup } from "./transport.ts";
import { CONFIG_EXPORTS, IDENT, LOG, STATUS } from "./transport.ts";

// The document and the code hold each other to what they say.

const page = readFileSync(
  new URL("../../docs/PROTOCOL.md", import.meta.url),
  "utf8",
);

const vectors = new Map(
  [...page.matchAll(/^ {4}Vector (.+?): ([0-9a-f ]+)$/gm)].map((
    [, name, hex],
  ) => {
    const pairs = hex!.replaceAll(" ", "").match(/../g)!;
    return [name!, Uint8Array.from(pairs, (pair) => parseInt(pair, 16))];
  }),
);

function vector(name: string): Uint8Array {
  const bytes = vectors.get(name);
  assert.ok(bytes, `no vector "${name}"`);
  vectors.delete(name);
  return bytes;
}

/** Rows of numbers and names below a heading, up to the next one. */
function table(heading: string): { offset: number; size: number }[] {
  const from = page.indexOf(`\n${heading}\n`);
  assert.ok(from > 0, heading);
  const to = page.indexOf("\n#", from + heading.length);
  const rows = page.slice(from, to).matchAll(
    /^\| +(\d+) \| +(\d+) \| (\w+) /gm,
  );
  return [...rows].map(([, offset, size, name]) => ({
    name: name!,
    offset: Number(offset),
    size: Number(size),
  }));
}

type Layout = { size: number; offsets: Readonly<Record<string, number>> };

/** Offsets and sizes of the fields of a layout, in their order. */
function fields({ size, offsets }: Layout) {
  const list = Object.values(offsets);
  return list.map((offset, i) => ({
    offset,
    size: (list[i + 1] ?? size) - offset,
  }));
}

const places = (rows: { offset: number; size: number }[]) =>
  rows.map(({ offset, size }) => ({ offset, size }));

test("the tables of docs/PROTOCOL.md are our layouts", () => {
  const head = fields(ConfigLayout);
  assert.deepEqual(places(table("### IDENT")), fields(IdentLayout));
  assert.deepEqual(places(table("### CONFIG_EXPORTS")), [
    ...head,
    ...fields(ExportLayout),
  ]);
  assert.deepEqual(places(table("### STATUS")), fields(StatusLayout));
  assert.deepEqual(places(table("## Messages")), fields(MessageLayout));
  assert.deepEqual(places(table("### LOG")), fields(LogLayout));
});

test("the numbers of docs/PROTOCOL.md are ours", () => {
  const setups: [ControlSetup, "in" | "out"][] = [
    [IDENT, "in"],
    [CONFIG_EXPORTS, "out"],
    [STATUS, "in"],
    [LOG, "in"],
  ];
  for (const [{ name, requestType, request }, direction] of setups) {
    const type = (direction === "in" ? 0x80 : 0) | 1 |
      (requestType === "class" ? 0x20 : 0x40);
    const hex = (byte: number) =>
      "`" + byte.toString(16).toUpperCase().padStart(2, "0") + "`";
    const row = new RegExp(
      `^\\| ${name} +\\| ${hex(type)} +\\| ${hex(request)} `,
      "m",
    );
    assert.match(page, row);
  }
  for (const [i, name] of OPCODES.entries()) {
    assert.match(page, new RegExp(`^\\| +${i} \\| ${name} `, "im"));
  }
});

test("every vector of docs/PROTOCOL.md is what we read and write", () => {
  const ident = { major: 0, minor: 1 };
  const identBytes = vector("IDENT");
  assert.deepEqual(encodeIdent(ident), identBytes);
  assert.deepEqual(decodeIdent(identBytes), ident);

  const record = { exportId: 0x11223344, blockSize: 512, size: 2 ** 30 };
  for (
    const [name, list] of [
      ["CONFIG_EXPORTS", [{ ...record, readOnly: false }]],
      ["CONFIG_EXPORTS read-only", [{ ...record, readOnly: true }]],
      ["CONFIG_EXPORTS none", []],
    ] as const
  ) {
    const bytes = vector(name);
    assert.deepEqual(encodeConfig(list), bytes);
    assert.deepEqual(decodeConfig(bytes), list);
  }

  const status = {
    active: true,
    exportCount: 1,
    sessionId: 0x1122334455667788n,
  };
  const statusBytes = vector("STATUS");
  assert.deepEqual(encodeStatus(status), statusBytes);
  assert.deepEqual(decodeStatus(statusBytes), status);

  const request = {
    opcode: "read",
    requestId: 5,
    exportId: 0x11223344,
    lba: 4096n,
    blockCount: 256,
  } as const;
  const requestBytes = vector("Request");
  assert.deepEqual(encodeRequest(request), requestBytes);
  assert.deepEqual(decodeRequest(requestBytes), request);
  for (const [name, errno] of [["Response", 0], ["Response EIO", 5]] as const) {
    const bytes = vector(name);
    const response = { ...request, status: errno };
    assert.deepEqual(encodeResponse(response), bytes);
    assert.deepEqual(decodeResponse(bytes), response);
  }

  const log = decodeLog(vector("LOG"));
  assert.deepEqual(
    { ...log, bytes: new TextDecoder().decode(log.bytes) },
    { oldest: 5n, start: 6n, newest: 9n, bytes: "abc" },
  );

  for (const name of [...vectors.keys()]) {
    const [, identity, blockSize, blockCount] =
      /^export_id (\S+) (\d+) (\d+)$/.exec(name) ?? [];
    assert.ok(identity, `vector "${name}" is of nothing we know`);
    const id = deriveExportId(identity, Number(blockSize), Number(blockCount));
    const bytes = vector(name);
    assert.equal(id, new DataView(bytes.buffer).getUint32(0));
  }
  assert.equal(vectors.size, 0);
});
