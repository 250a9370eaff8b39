import assert from "node:assert/strict";
import { test } from "node:test";
import { checkStage0 } from "../boot/stage0_binary.ts";
import { readCpio } from "../format/cpio/read.ts";
import { type CpioEntry, packCpio } from "../wasm/codecs.ts";
import { addAgent } from "./agent.ts";

const OPTIONS = { name: "initramfs", maxSize: 1 << 20 };

function file(path: string, text: string): CpioEntry {
  return { path, type: "file", data: new TextEncoder().encode(text) };
}

async function configOf(bytes: Uint8Array): Promise<string> {
  const members = await readCpio(bytes, OPTIONS);
  const config = members.find(({ path }) => path === "fastboop-agent/config");
  assert.ok(config?.type === "file");
  return new TextDecoder().decode(config.data);
}

for (const machine of ["aarch64", "x86_64"] as const) {
  test(`addAgent() leaves the initramfs as it is and puts a program for ${machine} behind it`, async () => {
    const packed = await packCpio([file("init", "abc")]);
    const ramdisk = packed.subarray(0, packed.length);
    const bytes = await addAgent({ machine, ramdisk, port: 4711 });
    assert.deepEqual(bytes.subarray(0, ramdisk.length), ramdisk);
    const members = await readCpio(bytes, OPTIONS);
    assert.deepEqual(members.map(({ path }) => path), [
      "init",
      "fastboop-agent",
      "fastboop-agent/agent",
      "fastboop-agent/config",
    ]);
    const agent = members[2]!;
    assert.ok(agent.type === "file" && agent.mode === 0o700);
    checkStage0(agent.data, machine);
    assert.equal(await configOf(bytes), "port 4711\ncontroller vudc\n");
  });
}

test("addAgent() has dummy_hcd and all before it loaded with SuperSpeed", async () => {
  const folder = "lib/modules/6.1/kernel";
  const ramdisk = await packCpio([
    file(
      "etc/modules-load.d/fastboop-stage0.conf",
      "usbcore\nudc-core\ndummy_hcd\nerofs\n",
    ),
    file(`${folder}/usbcore.ko`, "1"),
    file(`${folder}/udc-core.ko.xz`, "2"),
    file(`${folder}/dummy_hcd.ko`, "3"),
    file(`${folder}/erofs.ko`, "4"),
  ]);
  const bytes = await addAgent({
    machine: "aarch64",
    ramdisk,
    port: 1,
    controller: "dummy",
  });
  assert.deepEqual((await configOf(bytes)).trimEnd().split("\n"), [
    "port 1",
    "controller dummy",
    `module /${folder}/usbcore.ko`,
    `module /${folder}/udc-core.ko.xz`,
    `module /${folder}/dummy_hcd.ko is_super_speed=1`,
  ]);
  const full = await addAgent({
    machine: "aarch64",
    ramdisk,
    port: 1,
    controller: "dummy-full",
  });
  assert.match(
    await configOf(full),
    /^controller dummy$[^]*^module \/.*\/dummy_hcd\.ko is_high_speed=0$/m,
  );
});

test("addAgent() refuses a controller for which there is no module", async () => {
  const ramdisk = await packCpio([file("init", "abc")]);
  await assert.rejects(
    addAgent({ machine: "aarch64", ramdisk, port: 1, controller: "dummy" }),
    /the initramfs loads no such module/,
  );
});
