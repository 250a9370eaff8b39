import assert from "node:assert/strict";
import test from "node:test";
import { cacheFolder } from "./cache_folder.ts";

test("cacheFolder() is that of the platform", () => {
  const on = (platform: string, env: Record<string, string> = {}) =>
    cacheFolder({ platform, env, home: "/home/me" });
  assert.equal(on("linux"), "/home/me/.cache/fastboop");
  assert.equal(on("linux", { XDG_CACHE_HOME: "/var/x" }), "/var/x/fastboop");
  assert.equal(
    on("linux", { XDG_CACHE_HOME: "x" }),
    "/home/me/.cache/fastboop",
  );
  assert.equal(on("linux", { XDG_CACHE_HOME: "" }), "/home/me/.cache/fastboop");
  assert.equal(on("darwin"), "/home/me/Library/Caches/fastboop");
  const local = "C:\\Users\\me\\AppData\\Local";
  assert.equal(
    on("win32", { LOCALAPPDATA: local }),
    `${local}\\fastboop\\cache`,
  );
});

test("cacheFolder() is where FASTBOOP_CACHE says, on every platform", () => {
  const on = (platform: string, FASTBOOP_CACHE: string) =>
    cacheFolder({
      platform,
      env: { FASTBOOP_CACHE, XDG_CACHE_HOME: "/x", LOCALAPPDATA: "C:\\x" },
      home: "/home/me",
    });
  assert.equal(on("linux", "/data/cache"), "/data/cache");
  assert.equal(on("darwin", "/data/cache"), "/data/cache");
  assert.equal(on("win32", "D:\\cache"), "D:\\cache");
});
