import assert from "node:assert/strict";
import test from "node:test";
import { Replay } from "../../tests/support/fastboot_transcript.ts";
import { FastbootClient } from "./client.ts";
import type { FastbootMessage } from "./conversation.ts";

const IMAGE = Uint8Array.from({ length: 10_000 }, (_, at) => at * 31);

/** All that is said of a conversation, replayed to its end. */
async function replay(
  file: string,
  talk: (client: FastbootClient) => Promise<void>,
): Promise<FastbootMessage[]> {
  const phone = new Replay(file);
  const said: FastbootMessage[] = [];
  const client = new FastbootClient(phone, {
    onMessage: (message) => said.push(message),
  });
  await talk(client);
  await client.close();
  assert.equal(phone.left, 0, "lines that were not said");
  assert.ok(phone.closed);
  return said;
}

const PHONES: [
  file: string,
  variables: Record<string, string>,
  limit: number,
  said: FastbootMessage[],
][] = [
  [
    "oneplus-fajita.txt",
    {
      product: "sdm845",
      "partition-type:op2": "raw",
      serialno: "1f2e3d4c",
    },
    536870912,
    [],
  ],
  [
    "arrow-db410c.txt",
    {
      product: "MSM8916",
      variant: "SBC eMMC",
      serialno: "d6f71a1",
      "lk2nd:compatible": "",
    },
    0x1000_0000,
    [],
  ],
  [
    "samsung-gt510.txt",
    {
      product: "lk2nd-msm8916",
      "lk2nd:compatible": "samsung,gt510wifi",
      serialno: "5d6e7f80",
    },
    0x1fe0_0000,
    [
      { command: "boot", type: "info", text: "Using appended device tree" },
      { command: "boot", type: "info", text: "Booting Linux" },
    ],
  ],
  ["google-sargo.txt", { product: "sargo", serialno: "94GAY0A1B2" }, 1 << 28, [
    { command: "boot", type: "text", text: "Verifying" },
    { command: "boot", type: "text", text: " ... skipped, unlocked\n" },
  ]],
];
for (const [file, variables, limit, expected] of PHONES) {
  test(`transcript ${file}: probed, sent and started`, async () => {
    const said = await replay(file, async (client) => {
      for (const [name, value] of Object.entries(variables)) {
        assert.equal(await client.getvar(name), value);
      }
      assert.equal(await client.maxDownloadSize(), limit);
      await client.download(IMAGE);
      await client.boot();
    });
    assert.deepEqual(said, expected);
  });
}

const REFUSED: [file: string, code: string, facts: Record<string, unknown>][] =
  [
    ["locked.txt", "fastboot.failed", {
      command: "boot",
      message: "Boot Command is not allowed in Lock State",
    }],
    ["no-boot.txt", "fastboot.failed", {
      command: "boot",
      message: "unknown command",
    }],
    ["too-small.txt", "fastboot.too-large", { size: 10_000, limit: 0x2000 }],
    ["download-refused.txt", "fastboot.failed", {
      command: "download:00002710",
      message: "Requested download size is more than max allowed",
    }],
  ];
for (const [file, code, facts] of REFUSED) {
  test(`transcript ${file}: ends in ${code}`, async () => {
    await replay(file, async (client) => {
      await client.getvar("product");
      const work = client.download(IMAGE).then(() => client.boot());
      await assert.rejects(work, { code, facts });
    });
  });
}

test("transcript cancelled.txt: ends with zeros, and goes on", async () => {
  const phone = new Replay("cancelled.txt");
  const stop = new AbortController();
  const client = new FastbootClient(phone, {
    onMessage: () => stop.abort("enough"),
  });
  await client.getvar("product");
  await assert.rejects(
    client.download(IMAGE, { signal: stop.signal }),
    (error) => error === "enough",
  );
  assert.equal(await client.getvar("version"), "0.4");
  await client.close();
  assert.equal(phone.left, 0);
});
