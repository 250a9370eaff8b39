/**
 * All commands and options: from here come parsing, help and completion.
 *
 * @module
 */

import { Command as Program } from "@commander-js/extra-typings";
import type { Command, PayloadOptions, ViewOptions } from "./command.ts";
import { UsageError } from "./command.ts";
import {
  imageCommands,
  imageOf,
  imageProgram,
  otherCommands,
} from "./grammar_parts.ts";
import { phoneGrammar } from "./phone_grammar.ts";
import * as value from "./values.ts";

/** Default of `try --timeout`: emulated machines are slow. */
const TRY_SECONDS = 600;

const BUS = [
  "--usb <BUS>",
  'where phones are plugged in: auto (default), or usbip://HOST[:PORT][/BUSID] for another machine, which runs "usbipd"',
] as const;

/** A command that makes a boot image. */
const payload = (name: string) =>
  imageProgram(name)
    .optionsGroup("What goes in:")
    .option(
      "--device-profile <ID>",
      'the phone: see "fastboop devpro list"',
      value.once("--device-profile", value.someText),
    )
    .option(
      "--stage0 <FILE>",
      "the program that becomes /init, a static ELF, instead of the one built in; by default that of the environment's FASTBOOP_STAGE0_PATH",
      value.once("--stage0", value.path),
    )
    .option(
      "--require-module <NAME>",
      "load this kernel module too, after those of stage0 and the profile; several",
      value.several("--require-module", value.someText),
    )
    .option(
      "--dtb <FILE>",
      "take this device tree instead of the image's",
      value.once("--dtb", value.path),
    )
    .option(
      "--dtbo <FILE>",
      "apply this overlay to the device tree; several",
      value.several("--dtbo", value.path),
    )
    .option(
      "--mac <KIND=COMPATIBLE>",
      "give the radio (wifi or bluetooth) an address made from the serial number; several",
      value.several("--mac", value.mac),
    )
    .option(
      "--augment <FILE>",
      "add the entries of a cpio archive; they count instead of ours; several",
      value.several("--augment", value.path),
    )
    .option(
      "--cmdline-append <TEXT>",
      "add words to the kernel's command line, or settings such as smoo.acm=1; several; also --cmdline",
      value.several("--cmdline-append", value.anyText),
    )
    .option("--serial", "offer a serial console over USB")
    .option(
      "--clock-usec <N>",
      "tell the phone this time: microseconds since 1970",
      value.once("--clock-usec", value.clock),
    )
    .option(
      "--systemd-firstboot <BOOL>",
      "tell the image's system the language, keyboard and time zone of this machine, where it has none: true by default for phones, false for files",
      value.once("--systemd-firstboot", value.bool),
    )
    .option(
      "--ostree [LINK]",
      "boot an OSTree deployment: the current one, or that of LINK, written --ostree=LINK",
      value.once("--ostree", value.anyText),
    )
    .option(
      "--compressed-modules",
      "leave kernel modules as compressed as the image has them: for kernels that unpack modules themselves",
    );

type Flags = ReturnType<ReturnType<typeof payload>["opts"]>;

function payloadOf(image: string, flags: Flags): PayloadOptions {
  return {
    image: imageOf(image, flags),
    stage0: flags.stage0,
    dtb: flags.dtb,
    overlays: flags.dtbo ?? [],
    macs: flags.mac ?? [],
    augments: flags.augment ?? [],
    modules: flags.requireModule ?? [],
    cmdline: flags.cmdlineAppend ?? [],
    serialConsole: flags.serial === true,
    clockMicroseconds: flags.clockUsec,
    firstboot: flags.systemdFirstboot,
    ostree: flags.ostree === undefined
      ? undefined
      : String(flags.ostree) || true,
    compressedModules: flags.compressedModules === true,
  };
}

interface ViewFlags {
  readonly json?: true | undefined;
  readonly verbose?: true | undefined;
  readonly quiet?: true | undefined;
}

function viewOf({ json, verbose, quiet }: ViewFlags): ViewOptions {
  if (verbose && quiet) {
    throw new UsageError("Cannot be --verbose and --quiet, expected one");
  }
  return { json: json === true, verbosity: verbose ? 1 : quiet ? -1 : 0 };
}

/** Makes the grammar; `take` gets the command that was typed. */
export function grammar(take: (command: Command) => void) {
  const program = new Program("fastboop")
    .description(
      "Live-boots Linux distribution images on phones, writing nothing to them.",
    )
    .usage("COMMAND [OPTIONS] …")
    // the text is not used: see parseCommand()
    .version("-", "-V, --version", "print the version")
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted by Ctrl-C,\n129 by its closed terminal, 143 by kill.",
    );
  for (const command of bootCommands(take)) program.addCommand(command);
  for (const command of imageCommands(take)) program.addCommand(command);
  for (const command of otherCommands(take)) program.addCommand(command);
  program.helpCommand("help [COMMAND]", "tell more about a command");
  return program;
}

function bootCommands(take: (command: Command) => void) {
  const boot = payload("boot")
    .summary("boot phones from an image, and serve it to them")
    .description(
      `Makes a boot image from IMAGE's kernel, modules and device tree, sends it to a phone in its bootloader ("fastboot mode"), and serves IMAGE to the phone over the same cable for as long as it runs. Nothing is written to the phone.

With -o the boot image is written to a file instead, and no phone is asked: that needs --device-profile. Equal input gives equal bytes.

Ctrl-C ends serving: a phone that runs stands still then, until it is served again by --resume, or restarted. A second Ctrl-C leaves at once.`,
    )
    .optionsGroup("Which phone:")
    .option(
      "--device-serial <TEXT>",
      "the one with this serial number; several. With -o: the serial number that the boot image is made for",
      value.several("--device-serial", value.someText),
    )
    .option(
      "--port <BUS-PORT>",
      "the one that is plugged in there, such as 1-2; several",
      value.several("--port", value.someText),
    )
    .option("--all", "every phone that is there")
    .option(
      "--resume",
      "also one that runs from IMAGE already and whose host has left: it is served again. IMAGE must be the same file, unchanged",
    )
    .option(...BUS, value.once("--usb", value.bus))
    .option(
      "--wait <SECONDS>",
      "how long a phone is waited for; for ever by default, and by 0",
      value.once("--wait", value.seconds),
    )
    .option(
      "--gadget-wait <SECONDS>",
      "how long a phone may take from its bootloader to the image; 180 by default, 0 for ever",
      value.once("--gadget-wait", value.seconds),
    )
    .option(
      "--gone-after <SECONDS>",
      "end when the phone has been unplugged for so long, more than 0; never by default",
      value.once("--gone-after", value.someSeconds),
    )
    .optionsGroup("What is told:")
    .option(
      "-o, --output <FILE>",
      "write the boot image there and boot nothing; - for standard output",
      value.once("--output", value.path),
    )
    .option(
      "--explain",
      "with -o: tell what went in, from where, and how much of each limit it takes",
    )
    .option("--json", "one event a line on standard output, as JSON")
    .option("-v, --verbose", "tell everything")
    .option("-q, --quiet", "tell failures only")
    .action((image, flags) => {
      const {
        output,
        deviceProfile: profile,
        deviceSerial: serialNumbers = [],
        port: ports = [],
        explain = false,
      } = flags;
      const parts = payloadOf(image, flags);
      if (output === undefined) {
        if (explain) {
          throw new UsageError("Missing -o FILE: --explain is about a file");
        }
        return take({
          kind: "boot",
          ...parts,
          ...viewOf(flags),
          profile,
          serialNumbers,
          ports,
          all: flags.all === true,
          resume: flags.resume === true,
          waitMs: flags.wait || undefined,
          gadgetMs: flags.gadgetWait === 0 ? Infinity : flags.gadgetWait,
          goneMs: flags.goneAfter,
          usb: flags.usb ?? "auto",
        });
      }
      refuseAboutPhones(flags);
      take({
        kind: "build",
        what: "boot",
        ...parts,
        ...forFile(profile, serialNumbers),
        output,
        explain,
      });
    });
  const stage0 = payload("stage0")
    .summary("make the initramfs of the boot image alone")
    .description("Makes the initramfs alone, as it goes into the boot image.")
    .option(
      "--device-serial <TEXT>",
      "serial number of the phone",
      value.several("--device-serial", value.someText),
    )
    .optionsGroup("What is told:")
    .option(
      "-o, --output <FILE>",
      "where to; standard output by default",
      value.once("--output", value.path),
    )
    .option(
      "--explain",
      "tell what went in, from where, and how much of each limit it takes",
    )
    .action((image, flags) =>
      take({
        kind: "build",
        what: "stage0",
        ...payloadOf(image, flags),
        ...forFile(flags.deviceProfile, flags.deviceSerial ?? []),
        output: flags.output,
        explain: flags.explain === true,
      })
    );
  const attempt = payload("try")
    .summary("boot an image on a virtual phone, until it asks for a login")
    .description(
      `Starts a virtual phone in QEMU, boots it from IMAGE exactly as "fastboop boot" boots a real one, and ends with exit code 0 as soon as its console shows a login prompt, or TEXT. For those who make distributions: needs no phone, no root, no KVM.`,
    )
    .optionsGroup("The virtual phone:")
    .option(
      "--until <TEXT>",
      "done when the console shows this; by default a login prompt",
      value.once("--until", value.someText),
    )
    .option(
      "--timeout <SECONDS>",
      `failed when it takes longer, more than 0; ${TRY_SECONDS} by default`,
      value.once("--timeout", value.someSeconds),
    )
    .option(
      "--memory <MIB>",
      "of the virtual phone",
      value.once("--memory", value.mebibytes),
    )
    .optionsGroup("What is told:")
    .option("--console", "show the phone's console")
    .option("--json", "one event a line on standard output, as JSON")
    .option("-v, --verbose", "tell everything")
    .option("-q, --quiet", "tell failures only")
    .action((image, flags) =>
      take({
        kind: "try",
        ...payloadOf(image, flags),
        ...viewOf(flags),
        profile: flags.deviceProfile,
        until: flags.until,
        timeoutMs: flags.timeout ?? TRY_SECONDS * 1000,
        console: flags.console === true,
        memoryMiB: flags.memory,
      })
    );
  const detect = new Program("detect")
    .summary("list the phones in their bootloader")
    .description(
      "Lists the phones that are in their bootloader, one line for each profile that fits. Asks them who they are, and nothing else. Finding none is a failure.",
    )
    .option(
      "--device-profile <ID>",
      "only phones of this profile",
      value.once("--device-profile", value.someText),
    )
    .option(
      "--wait [SECONDS]",
      "wait for the first one so long; for ever without a number, and by 0",
      value.once("--wait", (text, option) => value.seconds(text, option)),
    )
    .option("--json", "one object a line instead of text")
    .option(...BUS, value.once("--usb", value.bus))
    .action((flags) =>
      take({
        kind: "detect",
        profile: flags.deviceProfile,
        waitMs: flags.wait === undefined
          ? undefined
          : flags.wait === true || flags.wait === 0
          ? Infinity
          : flags.wait,
        json: flags.json === true,
        usb: flags.usb ?? "auto",
      })
    );
  return [boot, attempt, phoneGrammar(take), detect, stage0];
}

/** Options of `boot` that say which phone, and what is told of it. */
const ABOUT_PHONES = [
  ...["port", "all", "resume", "usb", "wait", "gadgetWait", "goneAfter"],
  ...["json", "verbose", "quiet"],
];

/** Refuses what would have no effect where a file is made. */
function refuseAboutPhones(flags: Readonly<Record<string, unknown>>): void {
  const given = ABOUT_PHONES.find((name) => flags[name] !== undefined);
  if (given === undefined) return;
  const option = given.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
  throw new UsageError(`Cannot use --${option} with -o: no phone is asked`);
}

function forFile(
  profile: string | undefined,
  serialNumbers: readonly string[],
) {
  if (profile === undefined) {
    throw new UsageError("Missing --device-profile ID");
  }
  if (serialNumbers.length > 1) {
    throw new UsageError(
      'Option "--device-serial" is given twice, expected once for a file',
    );
  }
  return { profile, deviceSerial: serialNumbers[0] };
}
