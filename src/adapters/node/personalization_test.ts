import assert from "node:assert/strict";
import { test } from "node:test";
import { type PersonalWorld, readPersonalization } from "./personalization.ts";

function machine(
  env: Record<string, string>,
  files: Record<string, string> = {},
  zone?: string,
): PersonalWorld {
  return {
    env: (name) => env[name],
    read: (path) => Promise.resolve(files[path]),
    timeZone: () => zone,
  };
}

const NOTHING = {
  locale: "C.UTF-8",
  localeMessages: "C.UTF-8",
  keymap: "us",
  timezone: "UTC",
};

test("readPersonalization() takes the environment, then files", async () => {
  const files = {
    "/etc/locale.conf":
      '# a remark\nnonsense\nLANG="fr_FR.UTF-8"\nLC_MESSAGES=it_IT.UTF-8\n',
    "/etc/default/keyboard": 'XKBMODEL="pc105"\nXKBLAYOUT="de,us"\n',
  };
  assert.deepEqual(
    await readPersonalization(machine({}, files, "Europe/Berlin")),
    {
      locale: "fr_FR.UTF-8",
      localeMessages: "it_IT.UTF-8",
      keymap: "de",
      timezone: "Europe/Berlin",
    },
  );
  const set = { LANG: "es_ES.UTF-8", LC_MESSAGES: "en_US.UTF-8" };
  const found = await readPersonalization(machine(set, files));
  assert.equal(found.locale, "es_ES.UTF-8");
  assert.equal(found.localeMessages, "en_US.UTF-8");
  const all = { ...set, LC_ALL: "ja_JP.UTF-8" };
  const over = await readPersonalization(machine(all, files));
  assert.equal(over.locale, "ja_JP.UTF-8");
  assert.equal(over.localeMessages, "ja_JP.UTF-8");
});

test("readPersonalization() reads the console's keyboard first, and Debian's locale", async () => {
  const found = await readPersonalization(machine({}, {
    "/etc/vconsole.conf": "KEYMAP=neo\n",
    "/etc/default/keyboard": "XKBLAYOUT=de\n",
    "/etc/default/locale": "LANG=pt_BR.UTF-8\n",
  }));
  assert.equal(found.keymap, "neo");
  assert.equal(found.locale, "pt_BR.UTF-8");
  assert.equal(found.localeMessages, "pt_BR.UTF-8");
});

for (
  const [what, env, files, zone] of [
    ["nothing", {}, {}, undefined],
    ["empty values", { LANG: "" }, { "/etc/vconsole.conf": "KEYMAP=\n" }, ""],
    ["the oldest locales", { LANG: "C", LC_MESSAGES: "POSIX" }, {}, "UTC"],
    [
      "what is none",
      { LANG: "../../etc/shadow", LC_ALL: "" },
      { "/etc/vconsole.conf": "KEYMAP=$(reboot)\n" },
      "../localtime",
    ],
  ] as const
) {
  test(`readPersonalization() makes what every image has of ${what}`, async () => {
    assert.deepEqual(
      await readPersonalization(machine(env, files, zone)),
      NOTHING,
    );
  });
}

test("readPersonalization() says something of this machine", async () => {
  for (const text of Object.values(await readPersonalization())) {
    assert.match(text, /^[A-Za-z][\w.@+/-]*$/);
  }
});
