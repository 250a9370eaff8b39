/**
 * Recorded conversations, said again byte for byte by each side of ours.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import test from "node:test";
import { FastbootClient } from "../../src/fastboot/client.ts";
import { encodeCommand } from "../../src/fastboot/command.ts";
import { parseFault } from "../../src/phone/fault_text.ts";
import {
  recordedImage,
  RecordingDevice,
} from "../support/fastboot_recorder.ts";
import { RECORDINGS } from "../support/fastboot_recordings.ts";
import {
  type Line,
  parseTranscript,
  readTranscript,
  Replay,
} from "../support/fastboot_transcript.ts";

/** Bytes of a transfer: no divisor of an image. */
const TRANSFER_BYTES = 4099;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

test("every recorded conversation can be had again", () => {
  const folder = new URL("../transcripts/fastboot/recorded/", import.meta.url);
  const files = readdirSync(folder).map((file) => `recorded/${file}`);
  const known = RECORDINGS.map(({ file }) => file);
  assert.deepEqual(files.toSorted(), known.toSorted());
});

for (const { file, faults, talk } of RECORDINGS) {
  const lines = readTranscript(file);

  test(`transcript ${file}: our bootloader answers as it was recorded`, async () => {
    const device = new RecordingDevice({ faults: faults.map(parseFault) });
    for (const line of lines) {
      if (line.kind === "reply") continue;
      for (const packet of await packetsOf(line)) {
        for await (const _ of device.receive(packet));
      }
    }
    assert.deepEqual(parseTranscript(device.lines.join("\n")), lines);
  });

  if (typeof talk !== "function") {
    test(`transcript ${file}: our client would send the same bytes`, () => {
      for (const line of lines) {
        if (line.kind !== "command") continue;
        const [name, argument = ""] = text(line.bytes).split(/:(.*)/);
        const command = encodeCommand(
          name === "getvar"
            ? { name, variable: argument }
            : name === "download"
            ? { name, length: parseInt(argument, 16) }
            : { name: name as "boot" | "reboot" },
        );
        assert.deepEqual([...command], [...line.bytes]);
      }
    });
    continue;
  }

  test(`transcript ${file}: our client says it again`, async () => {
    const phone = new Replay(file);
    const client = new FastbootClient(phone);
    await talk(client).catch(() => {});
    await client.close();
    assert.equal(phone.left, 0, "lines that were not said");
  });
}

/** What goes over the wire, data in transfers. */
async function packetsOf(line: Line): Promise<Uint8Array[]> {
  if (line.kind !== "data") return [line.bytes];
  const image = await recordedImage();
  // a bootloader that was refused its image is filled up with zeros
  const bytes = line.length === image.length
    ? image
    : new Uint8Array(line.length);
  const packets: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += TRANSFER_BYTES) {
    packets.push(bytes.subarray(at, at + TRANSFER_BYTES));
  }
  return packets;
}
