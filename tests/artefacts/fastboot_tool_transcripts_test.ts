/**
 * The conversations in tests/transcripts/fastboot/recorded, had again.
 */
import assert from "node:assert/strict";
import test from "node:test";
import {
  record,
  recordClientOverTcp,
  RECORDINGS,
  toolVersion,
} from "../support/fastboot_recordings.ts";
import {
  parseTranscript,
  readTranscript,
} from "../support/fastboot_transcript.ts";

const skip = await toolVersion() === undefined
  ? "fastboot is not installed"
  : false;

for (const recording of RECORDINGS) {
  const { file, talk } = recording;
  const isOurs = typeof talk === "function";
  test(`transcript ${file} is what is said today`, {
    skip: !isOurs && skip,
  }, async () => {
    const lines = await record(recording);
    assert.deepEqual(parseTranscript(lines.join("\n")), readTranscript(file));
  });
  if (!isOurs) continue;
  test(`transcript ${file} is what is said over TCP`, async () => {
    const lines = await recordClientOverTcp(recording);
    assert.deepEqual(parseTranscript(lines.join("\n")), readTranscript(file));
  });
}
