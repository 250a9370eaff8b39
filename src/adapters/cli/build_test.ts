import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { pathToFileURL } from "node:url";
import { findFixture } from "../../../scripts/fixtures/all.ts";
import { smallImage } from "../../../tests/support/erofs_images.ts";
import {
  buildInit,
  missingInitTools,
} from "../../../tests/support/init/build.ts";
import { runCli } from "../../../tests/support/run_cli.ts";
import { parseBootImage } from "../../format/bootimg/parse.ts";
import { readCpio } from "../../format/cpio/read.ts";
import { packCpio } from "../../wasm/cpio.ts";

const folder = mkdtempSync(join(tmpdir(), "fastboop-build-"));
after(() => rmSync(folder, { recursive: true }));
const EMPTY = smallImage("plain").path;
const PHONE = ["--device-profile", "oneplus-fajita"];

test("fastboop boot and stage0 say what is missing, and exit with 2", async () => {
  const wrong: [args: string[], message: RegExp][] = [
    [
      ["boot", EMPTY, "-o", "x"],
      /Missing --device-profile ID\nSee "fastboop help boot"/,
    ],
    [
      ["boot", EMPTY, ...PHONE, "-o"],
      /Option "-o, --output <FILE>" argument missing/,
    ],
    [
      ["boot", EMPTY, ...PHONE, "-o", "--explain"],
      /Option "--output" needs a value, found "--explain"/,
    ],
    [
      ["boot", EMPTY, ...PHONE, "-o", "x", "--dtb="],
      /Option "--dtb" needs a value/,
    ],
    [
      ["boot", EMPTY, ...PHONE, "-o", "x", "--serial=yes"],
      /Unknown option "--serial=yes"/,
    ],
    [
      ["boot", EMPTY, ...PHONE, "-o", "x", "--clock-usec", "now"],
      /Cannot use --clock-usec "now"/,
    ],
    [
      ["stage0", EMPTY, ...PHONE, "--mac", "lan=x"],
      /expected wifi=COMPATIBLE or bluetooth=/,
    ],
    [
      ["stage0", EMPTY, ...PHONE, "--require-module="],
      /Option "--require-module" needs a value/,
    ],
    [
      ["stage0", EMPTY, ...PHONE, "--dtb", "a", "--dtb", "b"],
      /Option "--dtb" is given twice, expected once/,
    ],
    [
      ["boot", EMPTY, ...PHONE, "-o", "a", "--output=b"],
      /Option "--output" is given twice, expected once/,
    ],
    [["stage0", EMPTY, ...PHONE, "--flash"], /Unknown option "--flash"/],
  ];
  for (const [args, message] of wrong) {
    const { code, text, errors } = await runCli(args, {
      FASTBOOP_STAGE0_PATH: "",
    });
    assert.match(errors, message);
    assert.equal(text, "");
    assert.equal(code, 2);
  }
});

test("fastboop boot fails with one line and leaves no file", async () => {
  const script = join(folder, "script");
  writeFileSync(script, "#!/bin/sh\n");
  const output = join(folder, "never.img");
  const args = (image: string, profile: string, stage0: string) => [
    "boot",
    image,
    "--device-profile",
    profile,
    "--stage0",
    stage0,
    "-o",
    output,
  ];
  const failing: [args: string[], message: RegExp][] = [
    [args(EMPTY, "oneplus-fajta", script), /did you mean "oneplus-fajita"\?/],
    [
      args(EMPTY, "oneplus-fajita", script),
      /Cannot use ".*script" as \/init: it begins with 23 21/,
    ],
    [
      args(EMPTY, "oneplus-fajita", join(folder, "none")),
      /there is no such file/,
    ],
    [
      [...args(EMPTY, "oneplus-fajita", script), "--output", "none/x"]
        .toSpliced(6, 2),
      /Cannot write to "none\/x": there is no folder "none"/,
    ],
    [
      [...args(EMPTY, "oneplus-fajita", script), "--output", folder]
        .toSpliced(6, 2),
      /Cannot write to ".*": it is a folder, expected a file; name one in it/,
    ],
    [
      [...args(EMPTY, "oneplus-fajita", script), "--output", `${script}/x`]
        .toSpliced(6, 2),
      /Cannot write to ".*": there is no folder ".*script", expected one/,
    ],
    [args("none.erofs", "oneplus-fajita", script), /Cannot open "none\.erofs"/],
  ];
  for (const [args, message] of failing) {
    const { code, text, errors } = await runCli(args);
    assert.match(errors, message);
    assert.equal(errors.trimEnd().split("\n").length, 1, errors);
    assert.equal(text, "");
    assert.equal(code, 1);
  }
  assert.ok(!existsSync(output));
});

test("fastboop boot does not write over what it reads", async () => {
  const image = join(folder, "image.erofs"), link = join(folder, "image.link");
  copyFileSync(EMPTY, image);
  symlinkSync("image.erofs", link);
  const script = join(folder, "init");
  writeFileSync(script, "#!/bin/sh\n");
  const document = join(folder, "image.yaml");
  writeFileSync(document, "file: image.erofs\n");
  const named = [image, pathToFileURL(image).href, document];
  for (
    const [name, output] of [
      ...named.map((name) => [name, image] as const),
      [document, document],
      [image, link],
      [image, script],
    ] as const
  ) {
    const { code, errors } = await runCli(
      ["boot", name, ...PHONE, "--stage0", script, "-o", output],
    );
    assert.match(errors, /Cannot write to ".*": it is ".*", which is read/);
    assert.equal(code, 2);
  }
  assert.deepEqual(readFileSync(image), readFileSync(EMPTY));
});

const DEBIAN = findFixture("debian-arm64.erofs-lz4hc");
const missing = [
  ...(DEBIAN === undefined ? ["debian-arm64.erofs-lz4hc"] : []),
  ...missingInitTools(),
];
const skip = missing.length === 0
  ? {}
  : { skip: `missing: ${missing.join(" ")}` };

test(
  "fastboop boot writes what it explains, stage0 the initramfs of it",
  skip,
  async () => {
    const stage0 = buildInit(folder);
    const output = join(folder, "boot.img");
    const options = [
      "--stage0",
      stage0,
      "--device-serial",
      "deadbeef",
      "--cmdline-append",
      "quiet",
    ];
    const boot = await runCli([
      "boot",
      DEBIAN!,
      ...PHONE,
      ...options,
      "-o",
      output,
      "--explain",
    ]);
    assert.equal(boot.code, 0, boot.errors);
    assert.match(
      boot.text,
      /^kernel 6\.12\S+ +\/boot\/vmlinuz-6\.12\S+ +37\d{6} +1\d{7}$/m,
    );
    assert.match(boot.text, /^module dwc3 .* profile oneplus-fajita /m);
    assert.match(boot.text, /^ {2}stage0\.serial=deadbeef$/m);
    assert.match(boot.text, /^command line, 5 of at most 1534 bytes: quiet$/m);
    assert.match(boot.text, /^total +0 +\d+ +\d+ +none$/m);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.includes(".part-")),
      [],
    );

    const { ramdisk, cmdline } = parseBootImage(
      new Uint8Array(readFileSync(output)),
    );
    assert.equal(cmdline, "quiet");
    const alone = await runCli(["stage0", DEBIAN!, ...PHONE, ...options]);
    assert.equal(alone.code, 0, alone.errors);
    assert.deepEqual(alone.out, ramdisk);
    const entries = await readCpio(alone.out, { maxSize: 64 << 20 });
    assert.ok(entries.some(({ path }) => path === "init"));
    const packed = await runCli(
      ["stage0", DEBIAN!, ...PHONE, ...options, "--compressed-modules"],
    );
    const paths = (await readCpio(packed.out, { maxSize: 64 << 20 }))
      .map(({ path }) => path);
    assert.ok(paths.some((path) => path.endsWith("/dwc3.ko.xz")));
    assert.ok(!paths.some((path) => path.endsWith(".ko")));

    const extra = join(folder, "extra.cpio");
    const entry = {
      path: "odd\x1b[2J",
      type: "file",
      data: new Uint8Array(),
    } as const;
    writeFileSync(extra, await packCpio([entry, entry]));
    const odd = await runCli(
      ["stage0", DEBIAN!, ...PHONE, ...options, "--augment", extra],
    );
    assert.match(odd.errors, /puts its own odd.*\[2J in the place/);
    assert.ok(!odd.errors.includes("\x1b"), odd.errors);
  },
);
