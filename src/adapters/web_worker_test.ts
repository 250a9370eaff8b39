import assert from "node:assert/strict";
import test from "node:test";
import {
  fixture,
  rejectsWith,
  SEQ,
} from "../../tests/fixtures/codecs/fixtures.ts";
import { CodecPool } from "../wasm/pool.ts";
import { webWorkers } from "./web_worker.ts";

const createWorker = webWorkers();
const skip = createWorker === undefined ? "no web workers here" : false;

test("webWorkers() make workers that run codec jobs", { skip }, async () => {
  const pool = new CodecPool({ createWorker });
  try {
    const jobs = ["seq.gz", "members.gz"].map((file) =>
      pool.run("gunzip", fixture(file), { maxSize: SEQ.length })
    );
    for (const job of jobs) {
      assert.deepEqual(new Uint8Array(await job), SEQ);
    }
    await rejectsWith(
      pool.run("zstdDecode", fixture("seq.gz"), { maxSize: 10 }),
      "zstd.damaged",
    );
    const controller = new AbortController();
    const job = pool.run("gzip", SEQ, {}, { signal: controller.signal });
    controller.abort("left");
    await assert.rejects(job, (reason) => reason === "left");
  } finally {
    pool.close();
  }
});
