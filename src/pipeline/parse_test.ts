import assert from "node:assert/strict";
import test from "node:test";
import { type ErrorCode, isCoded } from "../errors.ts";
import { looksLikePipeline, parsePipeline } from "./parse.ts";

const HEX = "0123456789abcdef".repeat(8);
const CONTENT = { digest: `sha512:${HEX}`, size_bytes: 512 };
const parse = (text: string) => parsePipeline(text, "p.yaml");

test("parsePipeline() reads every step, flat and with source", () => {
  const file = { kind: "file", file: "a" };
  for (
    const [text, expected] of [
      ["http: https://example.invalid/a.img", {
        kind: "http",
        http: "https://example.invalid/a.img",
      }],
      [`{"file":"a","content":${JSON.stringify(CONTENT)}}`, {
        ...file,
        content: CONTENT,
      }],
      ["file: file:///a/b%20c", { kind: "file", file: "file:///a/b%20c" }],
      ["gpt: { number: 1, file: a }", {
        kind: "gpt",
        number: 1,
        source: file,
      }],
      ["casync: a.caibx", { kind: "casync", index: "a.caibx" }],
      ["casync: { index: a.caibx, chunk_store: s }", {
        kind: "casync",
        index: "a.caibx",
        chunk_store: "s",
      }],
      ["xz: { file: a }", { kind: "xz", source: file }],
      ["xz: { source: { file: a } }", { kind: "xz", source: file }],
      [`xz: { file: a }\ncontent: ${JSON.stringify(CONTENT)}`, {
        kind: "xz",
        source: file,
        content: CONTENT,
      }],
      ["tar: { entry: x/y.img, file: a }", {
        kind: "tar",
        entry: "x/y.img",
        source: file,
      }],
      ["android_sparseimg:\n  xz:\n    file: a", {
        kind: "android_sparseimg",
        source: { kind: "xz", source: file },
      }],
      ["gpt: { partlabel: root, lba_size: 4096, file: a }", {
        kind: "gpt",
        partlabel: "root",
        lba_size: 4096,
        source: file,
      }],
      ["mbr: { index: 1, source: { xz: { file: a } } }", {
        kind: "mbr",
        index: 1,
        source: { kind: "xz", source: file },
      }],
    ] as const
  ) {
    assert.deepEqual(parse(text), expected, text);
    assert.ok(looksLikePipeline(new TextEncoder().encode(text), "a"), text);
  }
});

test("parsePipeline() refuses what is wrong, and says where", () => {
  for (
    const [text, code, message] of [
      ["", "pipeline.wrong-value", /line 1, column 1/],
      ["a: [", "pipeline.syntax", /line 1/],
      ["- file: a", "pipeline.wrong-value", /expected a step/],
      ["fil: a", "pipeline.no-step", /did you mean "file"/],
      ["file: a\nhttp: b", "pipeline.several-steps", /line 2, column 1, http/],
      ["file: ' '", "pipeline.wrong-value", /text that is not blank/],
      ["file: 5", "pipeline.wrong-value", /expected text/],
      ["file: a\nzize: 4", "pipeline.unknown-key", /line 2, column 1, zize/],
      ["xz: a.xz", "pipeline.wrong-value", /found "a.xz", expected a step/],
      ["xz: { source: { file: a }, more: 1 }", "pipeline.unknown-key", /more/],
      ["xz: { file: a }\nentry: b", "pipeline.unknown-key", /entry/],
      ["tar: { file: a }", "pipeline.wrong-value", /expected text/],
      [
        "gpt: { file: a }",
        "pipeline.no-selector",
        /partlabel, partuuid, index/,
      ],
      [
        "gpt: { index: 0, partlabel: a, file: a }",
        "pipeline.several-selectors",
        /partlabel and index/,
      ],
      [
        "mbr: { partlabel: a, file: a }",
        "pipeline.unknown-key",
        /column 8, mbr.partlabel: .*expected file, content, partuuid, index/,
      ],
      ...["file: a", "xz: { file: a }", "casync: a", "source: { file: a }"]
        .map((below) =>
          [
            `gpt: { partlable: root, ${below} }`,
            "pipeline.unknown-key",
            /column 8, gpt.partlable: .*did you mean "partlabel"/,
          ] as const
        ),
      ["gpt: { partlable: a }", "pipeline.no-step", /mean "partlabel"/],
      [
        "gpt: { index: 0, number: 1, file: a }",
        "pipeline.several-selectors",
        /index and number/,
      ],
      ["gpt: { number: 0, file: a }", "pipeline.wrong-value", /at least 1/],
      ...["ftp://x/y", "a.img", "https://", "file:///a"].map((link) =>
        [
          `xz:\n  http: ${link}`,
          "pipeline.wrong-value",
          /line 2, column 3, xz.http: expected a link, http:\/\/… or https:/,
        ] as const
      ),
      ...["http://x/y", "file://other/y"].map((path) =>
        [
          `file: ${path}`,
          "pipeline.wrong-value",
          /line 1.* expected a path/,
        ] as const
      ),
      [
        "casync: { index: a, chunk_store: 'ftp://x' }",
        "pipeline.wrong-value",
        /chunk_store: expected a path/,
      ],
      ["gtp: { index: 0, file: a }", "pipeline.no-step", /mean "gpt"/],
      ["mbr: { index: 1.5, file: a }", "pipeline.wrong-value", /int/],
      [
        "gpt: { index: 0, lba_size: 100, file: a }",
        "pipeline.wrong-value",
        /512/,
      ],
      ["casync: a.caidx", "pipeline.wrong-value", /not of a directory/],
      ["casync: a.CAIDX?x=1", "pipeline.wrong-value", /not of a directory/],
      [
        "casync: { index: a, chunk_store: '' }",
        "pipeline.wrong-value",
        /blank/,
      ],
      [
        "file: a\ncontent: { digest: md5, size_bytes: 1 }",
        "pipeline.wrong-value",
        /line 2, .*sha512/,
      ],
      [
        `file: a\ncontent: { digest: "sha512:${HEX}" }`,
        "pipeline.wrong-value",
        /size_bytes/,
      ],
      [
        "xz: { ".repeat(17) + "file: a" + " }".repeat(17),
        "pipeline.too-deep",
        /more than 16/,
      ],
    ] as const
  ) {
    assert.throws(() => parse(text), (error) => {
      assert.ok(isCoded(error, code as ErrorCode), `${text}: ${error}`);
      assert.match(error.message, message, text);
      assert.match(error.message, /^Cannot use pipeline "p.yaml", line \d/);
      return true;
    });
  }
  const deep = "xz: { ".repeat(16) + "file: a" + " }".repeat(16);
  assert.equal(parse(deep).kind, "xz");
});

test("looksLikePipeline() takes texts of keys for some, images and other texts for none", () => {
  const looks = (text: string, name = "a.img") =>
    looksLikePipeline(new TextEncoder().encode(text), name);
  for (
    const text of [
      "# how to get it\n---\nhttp: x",
      '{ "gpt": {}}',
      "\ufeffgtp:\n  file: a",
      "fil: a",
      "casync:",
    ]
  ) assert.ok(looks(text), text);
  for (
    const text of [
      "",
      "hsqs",
      "<!doctype html>\n<p>Error: none",
      "http://example.org/",
      "070701: 1",
      "\x7fELF",
      "file: a\0",
    ]
  ) assert.ok(!looks(text), text);
  for (const name of ["a.yaml", "b.YML", "http://h/c.json?…"]) {
    assert.ok(looks("- a", name), name);
    assert.ok(!looks("\0", name), name);
  }
  assert.ok(!looks("- a", "a.yaml.xz"));
});
