import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import { withRecord } from "../../src/block/record.ts";
import { planBoot } from "../../src/boot/plan.ts";
import { BUILTIN_PROFILES } from "../../src/device/builtin.ts";
import { openImage } from "../../src/image/open_image.ts";
import { storedSize } from "../support/boot_files.ts";
import { buildInit, missingInitTools } from "../support/init/build.ts";

const IMAGE = findFixture("debian-arm64.erofs-lz4hc");
const missing = IMAGE === undefined
  ? "run deno task fixtures debian-arm64.erofs-lz4hc"
  : missingInitTools().join(" ");
const skip = missing === "" ? {} : { skip: `missing: ${missing}` };

/** Any static program will do. */
function stage0() {
  const folder = mkdtempSync(join(tmpdir(), "fastboop-init-"));
  try {
    return {
      name: "init",
      bytes: new Uint8Array(readFileSync(buildInit(folder))),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const profile of BUILTIN_PROFILES) {
  if (profile.machine === "x86_64") continue;
  test(
    `a boot image of Debian for ${profile.id} costs few bytes more than its parts`,
    skip,
    async () => {
      const file = await openFile(IMAGE!);
      try {
        const recorded = withRecord(file);
        const { files } = await openImage(withReadAhead(recorded));
        const plan = await planBoot(files, profile, { stage0: stage0() });
        const paths = [
          plan.kernel.path,
          ...plan.deviceTree === undefined ? [] : [plan.deviceTree.from],
          ...plan.modules.load.map(({ path }) => path),
        ];
        const stored = paths.map((path) => storedSize(IMAGE!, path)).reduce((
          a,
          b,
        ) => a + b);
        const { bytes } = recorded.report;
        assert.ok(
          bytes <= stored * 1.3 + (512 << 10),
          `read ${bytes} bytes for ${stored} stored`,
        );
        const virtual = profile.devicetree_name === null;
        if (virtual) assert.equal(plan.deviceTree, undefined);
        else assert.equal(plan.deviceTree!.release, plan.kernel.release);
        // a virtual phone takes the kernel as it is
        const most = (virtual ? 64 : 32) << 20;
        assert.ok(plan.bytes.length < most, `${plan.bytes.length} bytes`);
      } finally {
        await file.close();
      }
    },
  );
}
