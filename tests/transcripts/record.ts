/**
 * Has the conversations of tests/support/fastboot_recordings.ts and writes them down, to be compared
 * with what was said before: `deno run --allow-all tests/transcripts/record.ts`. Needs `fastboot`.
 *
 * @module
 */

import { mkdir, writeFile } from "node:fs/promises";
import {
  record,
  RECORDINGS,
  toolVersion,
} from "../support/fastboot_recordings.ts";

const version = await toolVersion();
if (version === undefined) throw new Error("fastboot is not installed");
const folder = new URL("fastboot/", import.meta.url);
await mkdir(new URL("recorded/", folder), { recursive: true });
for (const recording of RECORDINGS) {
  const { file, remark, talk } = recording;
  const who = typeof talk === "function" ? "" : `, version ${version}`;
  const lines = [`# ${remark}${who}`, ...await record(recording)];
  await writeFile(new URL(file, folder), `${lines.join("\n")}\n`);
  console.log(`${file}: ${lines.length - 1} lines`);
}
