import assert from "node:assert/strict";
import test from "node:test";
import { findStaleProfiles } from "../../scripts/build_profiles.ts";
import { BUILTIN_PROFILES } from "./builtin.ts";
import { parseProfile } from "./parse.ts";

test("the built-in profiles and the schema are those of devpros/", async () => {
  assert.deepEqual(await findStaleProfiles(), [], "run deno task build");
});

test("every built-in profile is a valid profile", () => {
  for (const profile of BUILTIN_PROFILES) {
    const text = JSON.stringify(profile);
    assert.deepEqual(parseProfile(text, profile.id), profile);
  }
});
