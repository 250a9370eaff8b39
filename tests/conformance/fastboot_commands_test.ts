/**
 * Nothing that changes a phone can be said to it: not by types (src/fastboot/command_test.ts), not by
 * any call with any answer, and no such word is in the program.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { FastbootClient } from "../../src/fastboot/client.ts";
import type {
  DataPieces,
  FastbootTransport,
} from "../../src/fastboot/transport.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** All that a phone may be told. */
const ALLOWED =
  /^(?:getvar:[\x20-\x7e]+|download:[0-9a-f]{8}|boot|continue|reboot)$/;

/** Stands for the answer that a good bootloader gives. */
const RIGHT = "right";

/** A bootloader that answers whatever it likes, and a record of every byte that it was sent. */
class WildPhone implements FastbootTransport {
  readonly name = "wild";
  readonly commands: string[] = [];
  readonly data: number[] = [];
  readonly #answers: string[];
  /** A command was the last that was heard. */
  #announced = false;
  /** Lengths that it announced and has not got yet. */
  readonly promised: number[] = [];

  constructor(answers: readonly string[]) {
    this.#answers = [...answers];
  }

  // deno-lint-ignore require-await
  async send(command: Uint8Array): Promise<void> {
    this.commands.push(String.fromCharCode(...command));
    this.#announced = true;
  }

  async sendData(length: number, pieces: DataPieces): Promise<void> {
    let sent = 0;
    for await (const piece of pieces) sent += piece.length;
    assert.equal(sent, length);
    this.data.push(length);
  }

  // deno-lint-ignore require-await
  async receive(): Promise<Uint8Array> {
    let answer = this.#answers.shift();
    if (answer === undefined) throw new Error("gone");
    if (answer === RIGHT) {
      const [, length] = this.commands.at(-1)!.split("download:");
      answer = length && this.#announced ? `DATA${length}` : "OKAY";
    }
    this.#announced = false;
    if (answer.startsWith("DATA")) {
      this.promised.push(parseInt(answer.slice(4), 16));
    }
    return Uint8Array.from(answer, (one) => one.charCodeAt(0) & 0xff);
  }

  async close(): Promise<void> {}
}

const words = fc.constantFrom("flash:boot", "erase:", "oem unlock", "boot", "");
const variables = fc.oneof(fc.string({ maxLength: 70 }), words);
const calls = fc.oneof(
  fc.record({ call: fc.constant("getvar" as const), variable: variables }),
  fc.record({
    call: fc.constant("download" as const),
    size: fc.integer({ min: 0, max: 5000 }),
  }),
  fc.record({
    call: fc.constantFrom(
      "boot" as const,
      "continue" as const,
      "reboot" as const,
    ),
  }),
);
const answers = fc.oneof(
  { weight: 8, arbitrary: fc.constant(RIGHT) },
  { weight: 3, arbitrary: fc.constantFrom("OKAY", "OKAY4096", "FAILno") },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 0, max: 5000 })
      .map((length) => `DATA${length.toString(16).padStart(8, "0")}`),
  },
  fc.constantFrom("INFOflash:boot", "TEXTerase:userdata"),
  fc.string({ maxLength: 12 }),
);

test("FastbootClient says nothing that changes a phone, whatever it is asked and answered", async () => {
  let downloads = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(calls, { maxLength: 8 }),
      fc.array(answers, { maxLength: 30 }),
      async (todo, said) => {
        const phone = new WildPhone(said);
        const client = new FastbootClient(phone);
        for (const one of todo) {
          const work = one.call === "getvar"
            ? () => client.getvar(one.variable)
            : one.call === "download"
            ? () => client.download(new Uint8Array(one.size))
            : () => client[one.call]();
          await Promise.resolve().then<unknown>(work).catch(() => {});
        }
        await client.close();
        for (const command of phone.commands) assert.match(command, ALLOWED);
        // Data goes out only behind a DATA, as many bytes as that one says.
        for (const length of phone.data) {
          assert.ok(phone.promised.includes(length), `${length}`);
        }
        downloads += phone.data.length;
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(downloads > 20, `only ${downloads} downloads came so far`);
});

/** Commands of fastboot that change a phone, or read from what is stored in it. */
const FORBIDDEN = [
  "create-logical-partition",
  "delete-logical-partition",
  "erase",
  "fetch",
  "flash",
  "flashing",
  "format",
  "gsi",
  "oem",
  "powerdown",
  "reboot-[a-z]+",
  "resize-logical-partition",
  "set_active",
  "snapshot-update",
  "stage",
  "unlock",
  "update",
  "update-super",
  "upload",
  "wipe-super",
];

/** Strings of a source text that a bootloader could take for such a command. */
function findCommands(text: string): string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  // `format`, `fetch`, `stage`, `update` and `upload` are words of other things when they stand alone;
  // the first four are no command without an argument, the last one only reads.
  const alone = FORBIDDEN.filter((word) =>
    !["fetch", "format", "stage", "update", "upload"].includes(word)
  );
  const command = new RegExp(
    `["'\`](?:(?:${FORBIDDEN.join("|")}):|oem |flashing |(?:${
      alone.join("|")
    })["'\`])`,
    "g",
  );
  return code.match(command) ?? [];
}

function sources(): string[] {
  const files = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" })
    .map((path) => `src/${path.replaceAll("\\", "/")}`);
  return [...files, "cli.ts", "mod.ts"].filter((path) =>
    /\.tsx?$/.test(path) && !/_test\.ts$/.test(path)
  );
}

test("no source has a command that changes a phone", () => {
  const files = sources();
  assert.ok(files.length > 100, `only ${files.length} files`);
  const found = files.flatMap((path) =>
    findCommands(readFileSync(root + path, "utf8"))
      .map((command) => `${path}: ${command}`)
  );
  assert.deepEqual(found, []);
});

test("the search for commands finds them", () => {
  for (
    const text of [
      'send("flash:boot")',
      "send(`erase:${name}`)",
      "send('set_active:a')",
      'const a = "oem unlock";',
      'const a = ["erase", b].join(":");',
      '"flashing unlock"',
      '"reboot-bootloader"',
      '"update-super:super:wipe"',
    ]
  ) assert.equal(findCommands(text).length, 1, text);
  assert.deepEqual(findCommands('// "erase:x"\n/* "flash:" */ "format"'), []);
});

test("one place makes the bytes of commands, and one sends them", () => {
  const texts = new Map(
    sources().map((path) => [path, readFileSync(root + path, "utf8")]),
  );
  const having = (what: RegExp) =>
    [...texts].filter(([, text]) => what.test(text)).map(([path]) => path);
  assert.deepEqual(having(/as CommandBytes/), ["src/fastboot/command.ts"]);
  assert.deepEqual(having(/transport\.send\(/), [
    "src/fastboot/conversation.ts",
  ]);
  assert.deepEqual(having(/transport\.sendData\(/), [
    "src/fastboot/conversation.ts",
  ]);
});
