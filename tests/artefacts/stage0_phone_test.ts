import assert from "node:assert/strict";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { missingPhone } from "../support/missing_phone.ts";
import { Guest } from "../support/phone_console.ts";
import { PhoneHost } from "../support/phone_host.ts";
import { bootPhone } from "../support/rig.ts";

const IMAGE = "guest-arm64.erofs";
const image = findFixture(IMAGE);
const missing = [
  ...missingPhone("aarch64"),
  ...(image === undefined ? [`run deno task fixtures ${IMAGE}`] : []),
];
const options = missing.length === 0
  ? {}
  : { skip: `missing: ${missing.join(", ")}` };

test(
  "a boot that fails tells its host and the console why, then does what stage0.failure says",
  options,
  async () => {
    const phone = await bootPhone({
      image: image!,
      rootFileSystem: "ext4",
      cmdline: "stage0.failure=poweroff",
    });
    const { machine, reader } = phone;
    const host = new PhoneHost(machine, [{ reader, blockSize: 4096 }]);
    try {
      const last =
        /Cannot mount the root: \/dev\/ublkb0 as ext4: EINVAL, .* \[powering off in 5 s\]/;
      await host.said(last);
      // and what the kernel says about it
      await host.said(/EXT4-fs \(ublkb0\): /);
      await machine.console.waitFor(/reboot: Power down/, {
        timeoutMs: 60_000,
      });
      assert.match(machine.console.text, last);
    } finally {
      await host.stop();
      await phone.stop();
    }
  },
);

test(
  "smoo.acm puts the kernel's log on a serial console over USB, from its first line on",
  options,
  async () => {
    const phone = await bootPhone({ image: image!, cmdline: "smoo.acm=1" });
    const { machine, reader } = phone;
    const host = new PhoneHost(machine, [{ reader, blockSize: 4096 }]);
    try {
      await new Guest(machine).ready();
      const device = host.device!;
      const data = device.configuration!.interfaces.find(({ alternates }) =>
        alternates[0]!.interfaceClass === 0x0a // CDC data
      )!;
      const [input] = data.alternates[0]!.endpoints.filter((endpoint) =>
        endpoint.direction === "in"
      );
      await device.claimInterface(data.interfaceNumber);
      const decoder = new TextDecoder();
      let text = "";
      while (!text.includes("stage0: handing over")) {
        const { data: bytes } = await device.transferIn(
          input!.endpointNumber,
          4096,
        );
        text += decoder.decode(bytes!, { stream: true });
      }
      const lines = text.split("\r\n");
      assert.match(lines[0]!, /^\[ {4}0\.000000\] Booting Linux/);
      assert.ok(
        lines.slice(0, -1).every((line) => /^\[ *\d+\.\d{6}\] /.test(line)),
      );
      assert.ok(lines.some((line) => line.endsWith("stage0: started")));
    } finally {
      await host.stop();
      await phone.stop();
    }
  },
);
