import assert from "node:assert/strict";
import test from "node:test";
import { describeGrammar, parseCommand } from "./args.ts";
import { UsageError } from "./command.ts";

const IMAGE = {
  path: "x.img",
  roots: [],
  digest: undefined,
  headers: [],
  proxy: undefined,
  spool: false,
  cache: true,
  offline: false,
};
const PAYLOAD = {
  image: IMAGE,
  stage0: undefined,
  dtb: undefined,
  overlays: [],
  macs: [],
  augments: [],
  modules: [],
  cmdline: [],
  serialConsole: false,
  clockMicroseconds: undefined,
  firstboot: undefined,
  ostree: undefined,
  compressedModules: false,
};
const BOOT = {
  ...PAYLOAD,
  kind: "boot",
  json: false,
  verbosity: 0,
  profile: undefined,
  serialNumbers: [],
  ports: [],
  all: false,
  resume: false,
  waitMs: undefined,
  gadgetMs: undefined,
  goneMs: undefined,
  usb: "auto",
};

test("parseCommand() gives what was typed, with the defaults", () => {
  assert.deepEqual(parseCommand(["boot", "x.img"]), BOOT);
  assert.deepEqual(parseCommand(["try", "x.img"]), {
    ...PAYLOAD,
    kind: "try",
    json: false,
    verbosity: 0,
    profile: undefined,
    until: undefined,
    timeoutMs: 600_000,
    console: false,
    memoryMiB: undefined,
  });
  assert.deepEqual(parseCommand(["detect"]), {
    kind: "detect",
    profile: undefined,
    waitMs: undefined,
    json: false,
    usb: "auto",
  });
  assert.deepEqual(parseCommand(["ls", "-lR", "x.img"]), {
    kind: "ls",
    image: IMAGE,
    path: "/",
    long: true,
    recursive: true,
  });
});

test("parseCommand() chooses phones, and how long they are waited for", () => {
  const words =
    "--device-serial a --device-serial=b --port 1-2 --all --resume " +
    "--wait 1.5 --gadget-wait 0 --gone-after 0.5 --usb usbip://lab -v --json";
  assert.deepEqual(parseCommand(["boot", "x.img", ...words.split(" ")]), {
    ...BOOT,
    serialNumbers: ["a", "b"],
    ports: ["1-2"],
    all: true,
    resume: true,
    waitMs: 1500,
    gadgetMs: Infinity,
    goneMs: 500,
    usb: "usbip://lab",
    verbosity: 1,
    json: true,
  });
  // for ever, as the word is known from elsewhere
  assert.deepEqual(parseCommand(["boot", "x.img", "--wait", "0"]), BOOT);
  const detect = (...args: string[]) => {
    const command = parseCommand(["detect", ...args]);
    return command.kind === "detect" ? command.waitMs : undefined;
  };
  assert.equal(detect("--wait"), Infinity);
  assert.equal(detect("--wait", "0"), Infinity);
  assert.equal(detect("--wait", "2"), 2000);
});

test("parseCommand() takes no wait that a timer could not keep, and 0 for ever or not at all", () => {
  for (
    const [words, message] of [
      ["boot x.img --wait 2073601", /--wait "2073601", .* at most 2073600/],
      ["boot x.img --gadget-wait 1e3", /expected seconds/],
      ["boot x.img --gone-after 0", /--gone-after "0", expected more than 0/],
      ["try x.img --timeout 0.0", /--timeout "0.0", expected more than 0/],
      ["try x.img --timeout 99999999", /at most 2073600/],
      ["detect --wait 99999999", /at most 2073600/],
    ] as const
  ) {
    assert.throws(() => parseCommand(words.split(" ")), {
      name: "UsageError",
      message,
    });
  }
  const longest = parseCommand(["boot", "x.img", "--wait", "2073600"]);
  assert.equal("waitMs" in longest && longest.waitMs, 2_073_600_000);
});

test("parseCommand() takes how an image is got at, for all commands about one", () => {
  const hex = "0123456789abcdef".repeat(4);
  const words = ["--root", "#2", "--root=/live/a", "--digest", `SHA256:${hex}`];
  words.push(
    "--header",
    "Authorization: Bearer a b",
    "--header=X-A:",
    "--spool",
  );
  words.push("--proxy", "http://me:word@proxy.invalid:3128", "--no-cache");
  const expected = {
    path: "http://x.invalid/a",
    roots: ["#2", "/live/a"],
    digest: { algorithm: "sha256", hex },
    headers: [["Authorization", "Bearer a b"], ["X-A", ""]],
    proxy: "http://me:word@proxy.invalid:3128/",
    spool: true,
    cache: false,
    offline: false,
  };
  for (const name of ["inspect", "ls", "boot", "try"]) {
    const command = parseCommand([name, "http://x.invalid/a", ...words]);
    assert.ok("image" in command, name);
    assert.deepEqual(command.image, expected, name);
  }
  for (
    const [option, value, message] of [
      ["--digest", hex, /expected sha256: and 64/],
      ["--header", "secret", /NAME: VALUE/],
      ["--header", "A: b\nC: d", /^Cannot use --header "A: …"/],
      ["--proxy", "socks5://x:1", /with socks5:\/\//],
      ["--proxy", "x:1", /expected http:/],
      ["--root", "", /needs a value/],
      ["--offline", "--no-cache", /nothing would be left/],
    ] as const
  ) {
    assert.throws(
      () => parseCommand(["ls", "x.img", option, value]),
      (error) => {
        assert.ok(error instanceof UsageError, `${option} ${value}: ${error}`);
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

test("parseCommand() knows the serial console from a serial number", () => {
  assert.deepEqual(parseCommand(["boot", "--serial", "x.img"]), {
    ...BOOT,
    serialConsole: true,
  });
});

test("parseCommand() takes true and false for --systemd-firstboot", () => {
  for (const [text, firstboot] of [["true", true], ["no", false]] as const) {
    const words = ["try", "x.img", "--systemd-firstboot", text];
    const command = parseCommand(words);
    assert.equal("firstboot" in command && command.firstboot, firstboot);
  }
  assert.throws(
    () => parseCommand(["boot", "x.img", "--systemd-firstboot=maybe"]),
    /Cannot use --systemd-firstboot "maybe", expected true or false/,
  );
});

test("parseCommand() leaves the word behind --ostree alone", () => {
  const ostree = (...args: string[]) => {
    const command = parseCommand(["boot", ...args]);
    return command.kind === "boot" ? [command.ostree, command.image.path] : [];
  };
  assert.deepEqual(ostree("--ostree", "x.img"), [true, "x.img"]);
  assert.deepEqual(ostree("x.img", "--ostree"), [true, "x.img"]);
  assert.deepEqual(ostree("--ostree=a/b", "x.img"), ["a/b", "x.img"]);
});

test("parseCommand() takes words for the kernel as they are, under both names", () => {
  const cmdline = (...args: string[]) => {
    const command = parseCommand(["boot", "x.img", ...args]);
    return command.kind === "boot" ? command.cmdline : [];
  };
  assert.deepEqual(cmdline("--cmdline", "-- single"), ["-- single"]);
  assert.deepEqual(
    cmdline("--cmdline-append=quiet", "--cmdline=", "--cmdline-append", "-x"),
    ["quiet", "", "-x"],
  );
});

test("parseCommand() makes a file when -o says so", () => {
  const args = ["boot", "x.img", "--device-profile", "a", "-o", "-"];
  assert.deepEqual(parseCommand([...args, "--device-serial", "s"]), {
    ...PAYLOAD,
    kind: "build",
    what: "boot",
    profile: "a",
    deviceSerial: "s",
    output: "-",
    explain: false,
  });
  assert.throws(
    () => parseCommand([...args, "--device-serial=a", "--device-serial=b"]),
    (error) =>
      error instanceof UsageError && error.topic === "boot" &&
      /given twice, expected once for a file/.test(error.message),
  );
});

test("parseCommand() refuses options about phones when a file is made", () => {
  const args = ["boot", "x.img", "--device-profile", "a", "-o", "-"];
  for (
    const [words, option] of [
      ["--json", "--json"],
      ["-v -q", "--verbose"],
      ["-q", "--quiet"],
      ["--all", "--all"],
      ["--resume", "--resume"],
      ["--port 1-2", "--port"],
      ["--usb auto", "--usb"],
      ["--wait 0", "--wait"],
      ["--gadget-wait 5", "--gadget-wait"],
      ["--gone-after 5", "--gone-after"],
    ] as const
  ) {
    assert.throws(() => parseCommand([...args, ...words.split(" ")]), {
      name: "UsageError",
      topic: "boot",
      message: `Cannot use ${option} with -o: no phone is asked`,
    });
  }
});

test("every command tells what it is about, every option too", () => {
  for (const { path, words, options } of describeGrammar()) {
    for (const { name, about } of [...words, ...options]) {
      assert.notEqual(about, "", `${path} ${name}`);
    }
    if (path === "") continue;
    const help = parseCommand(["help", ...path.split(" ")]);
    assert.equal(help.kind, "help");
    for (const { name } of options) {
      assert.ok(help.kind === "help" && help.text.includes(name), name);
    }
  }
});

test("help is never wider than it may be", () => {
  for (const columns of [80, 100, 120]) {
    for (const { path } of describeGrammar()) {
      // its folders are shown as they are
      if (path === "devpro" || path === "completion") continue;
      const help = parseCommand(
        [...path.split(" "), "--help"].slice(path ? 0 : 1),
        { columns },
      );
      assert.ok(help.kind === "help");
      for (const line of help.text.split("\n")) {
        if (/--usb|usbip:/.test(line)) continue; // one long word
        assert.ok(line.length <= columns, `${columns}: ${line}`);
      }
    }
  }
});
