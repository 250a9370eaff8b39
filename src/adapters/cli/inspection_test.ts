import assert from "node:assert/strict";
import test from "node:test";
import { smallImage } from "../../../tests/support/erofs_images.ts";
import { withServer } from "../../../tests/support/http_world.ts";
import { runCli } from "../../../tests/support/run_cli.ts";
import { formatInspection, type Inspection } from "./inspection.ts";

const FACTS: Inspection = {
  image: "disk.img.xz",
  size: 3 << 20,
  chain: [
    { label: "file", size: 3 << 20 },
    { label: "xz (2 blocks)", size: 9 << 20 },
    { label: "GPT", size: 9 << 20 },
    { label: '#2 "root"', size: 8 << 20 },
    { label: "ext4", size: 8 << 20 },
  ],
  rootSize: 8 << 20,
  fileSystem: "ext4",
  blockSize: 4096,
  features: ["extent", "64bit"],
  boots: "/vmlinuz of GPT → #1 → FAT32",
  kernels: [{ release: "6.1", modules: "/usr/lib/modules/6.1" }],
  deviceTrees: { count: 2, folders: ["/boot/dtbs"] },
  others: [{
    chain: [{ label: "#1", size: 1 }, { label: "FAT32", size: 1 }],
    kernels: [{ release: "6.1", image: "/vmlinuz-6.1" }],
  }],
  passed: [{ what: "GPT → #3", reason: "found btrfs\x1b[2J" }],
};

test("formatInspection() tells the way to the root, what boots and what was passed over", () => {
  assert.equal(
    formatInspection(FACTS),
    `image:        disk.img.xz
layers:       file → xz (2 blocks) → GPT → #2 "root" → ext4
size:         3.0 MiB
root:         ext4, 8.0 MiB
block size:   4096 bytes
features:     extent 64bit
kernel:       6.1  no kernel image  /usr/lib/modules/6.1
boots:        /vmlinuz of GPT → #1 → FAT32
device trees: 2 in /boot/dtbs
beside it:    #1 → FAT32; 6.1 /vmlinuz-6.1
passed over:  GPT → #3: found btrfs?[2J
`,
  );
});

test("formatInspection() says when nothing would boot, and which deployment would", () => {
  const { boots: _boots, ...rest } = FACTS;
  const text = formatInspection({
    ...rest,
    kernels: [],
    others: [],
    passed: [],
    ostree: "/ostree/boot.1/a/b/0",
  });
  assert.match(text, /^kernel: +none$/m);
  assert.match(text, /^boots: +nothing: there is no kernel$/m);
  assert.match(text, /^deployment: +\/ostree\/boot\.1\/a\/b\/0$/m);
});

test("fastboop inspect does not show the secrets of a link", async () => {
  const { bytes } = smallImage("plain");
  await withServer({ content: bytes }, async (server) => {
    const { host } = new URL(server.url());
    const link = `http://me:geheim@${host}/image.erofs?token=secret`;
    for (const json of [[], ["--json"]]) {
      const args = ["inspect", "--no-cache", ...json, link];
      const { code, text, errors } = await runCli(args);
      assert.equal(code, 0, errors);
      assert.ok(text.includes(`http://${host}/image.erofs?…`), text);
      assert.doesNotMatch(text + errors, /geheim|secret/);
    }
  });
});
