import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import test, { after } from "node:test";
import { BUILTIN_PROFILES } from "../../device/builtin.ts";
import { loadProfiles, profileFolders, readProfile } from "./profiles.ts";

const root = mkdtempSync(join(tmpdir(), "fastboop-profiles-"));
after(() => rmSync(root, { recursive: true }));

let made = 0;
/** A folder with these files. */
function folder(files: Record<string, string | Uint8Array>): string {
  const path = join(root, String(made++));
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(path, name), content);
  }
  return path;
}

const profile = (id: string) => JSON.stringify({ ...BUILTIN_PROFILES[0], id });

/** Loads with these folders and nothing of this machine. */
const load = (...folders: string[]) =>
  loadProfiles({
    env: { HOME: root, FASTBOOP_SCHEMA_PATH: folders.join(delimiter) },
    systemFolder: join(root, "no-such-folder"),
  });

const local = async (...folders: string[]) =>
  (await load(...folders)).pool.entries
    .filter(({ origin }) => origin === "local")
    .map(({ profile, source }) => [profile.id, source]);

test("profileFolders() follows the environment", () => {
  const system = "/usr/share/fastboop/devpro";
  const cases: [env: Record<string, string>, folders: string[]][] = [
    [{ HOME: "/h" }, [join("/h", ".config", "fastboop", "devpro")]],
    [{ HOME: "/h", XDG_CONFIG_HOME: "/c" }, [join("/c", "fastboop", "devpro")]],
    [{ HOME: "/h", XDG_CONFIG_HOME: "c" }, [
      join("/h", ".config", "fastboop", "devpro"),
    ]],
    [
      {
        XDG_CONFIG_HOME: "/c",
        FASTBOOP_SCHEMA_PATH: ["/a", "", "b"].join(delimiter),
      },
      ["/a", "b", join("/c", "fastboop", "devpro")],
    ],
  ];
  for (const [env, folders] of cases) {
    assert.deepEqual(profileFolders({ env }), [...folders, system]);
  }
});

test("loadProfiles() reads *.yml, *.yaml and *.json directly inside, in every folder", async () => {
  const a = folder({
    "x.yml": profile("x"),
    "y.yaml": profile("y"),
    "notes.txt": "not a profile",
    "y.yaml~": "not a profile",
  });
  mkdirSync(join(a, "deeper.yaml"));
  const b = folder({ "z.json": profile("z") });
  assert.deepEqual(await local(a, b), [
    ["x", join(a, "x.yml")],
    ["y", join(a, "y.yaml")],
    ["z", join(b, "z.json")],
  ]);
});

test("loadProfiles() looks in the folders of the user and the system", async () => {
  const config = folder({});
  mkdirSync(join(config, "fastboop", "devpro"), { recursive: true });
  writeFileSync(join(config, "fastboop", "devpro", "u.yaml"), profile("u"));
  const { pool } = await loadProfiles({
    env: { XDG_CONFIG_HOME: config },
    systemFolder: folder({ "s.yaml": profile("s") }),
  });
  assert.equal(pool.get("u").origin, "local");
  assert.equal(pool.get("s").origin, "local");
});

test("loadProfiles() ignores missing folders and looks at each once", async () => {
  const a = folder({ "x.yaml": profile("x") });
  const link = join(root, "link");
  symlinkSync(a, link);
  assert.deepEqual(await local(join(root, "absent"), link, a, `${a}/.`), [
    ["x", join(link, "x.yaml")],
  ]);
});

test("loadProfiles() prefers a local profile to the built-in one", async () => {
  const { pool } = await load(folder({ "f.yaml": profile("oneplus-fajita") }));
  assert.equal(pool.get("oneplus-fajita").origin, "local");
  assert.equal(pool.entries.length, BUILTIN_PROFILES.length);
});

test("loadProfiles() refuses one id in two files, wherever they are", async () => {
  const a = folder({ "x.yaml": profile("x") });
  const b = folder({ "y.yaml": profile("x") });
  await assert.rejects(load(a, b), { code: "profile.duplicate-id" });
  const c = folder({ "x.yaml": profile("x"), "y.yaml": profile("x") });
  await assert.rejects(load(c), { code: "profile.duplicate-id" });
});

test("loadProfiles() skips what is no profile and tells why", async () => {
  const a = folder({
    "bad.yaml": "id: [",
    "binary.yaml": Uint8Array.of(0xff, 0xfe, 0x00),
    "huge.yaml": "#".repeat(3 << 20),
    "typo.yaml": profile("x").replace('"equals"', '"equal"'),
    "x.yaml": profile("x"),
  });
  const { pool, warnings } = await load(a);
  assert.equal(pool.get("x").origin, "local");
  assert.deepEqual(warnings.map(({ code, facts }) => [code, facts["name"]]), [
    ["profile.syntax", join(a, "bad.yaml")],
    ["profile.syntax", join(a, "binary.yaml")],
    ["profile.too-large", join(a, "huge.yaml")],
    ["profile.unknown-key", join(a, "typo.yaml")],
  ]);
});

test("loadProfiles() rejects when what is there cannot be read", async () => {
  const a = folder({});
  symlinkSync(join(root, "nowhere"), join(a, "x.yaml"));
  await assert.rejects(load(a), { name: "ReadError", code: "file.not-found" });
  const file = join(folder({ "x.yaml": profile("x") }), "x.yaml");
  await assert.rejects(load(file), {
    name: "ReadError",
    code: "file.open-failed",
  });
});

test("loadProfiles() stops when it is told to", async () => {
  const reason = new Error("enough");
  await assert.rejects(
    loadProfiles({
      env: {
        HOME: root,
        FASTBOOP_SCHEMA_PATH: folder({ "x.yaml": profile("x") }),
      },
      signal: AbortSignal.abort(reason),
    }),
    reason,
  );
});

test("readProfile() names the file", async () => {
  const path = join(folder({ "x.yaml": "id: x\nsize: 1\n" }), "x.yaml");
  await assert.rejects(readProfile(path), (error: Error) => {
    assert.ok(error.message.includes(JSON.stringify(path)));
    return true;
  });
  await assert.rejects(readProfile(join(root, "absent")), {
    code: "file.not-found",
  });
});
