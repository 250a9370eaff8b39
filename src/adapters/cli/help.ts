import type { Topic } from "./args.ts";

const OVERVIEW =
  `fastboop live-boots Linux distribution images on phones, writing nothing to them.

Usage: fastboop COMMAND [OPTIONS] …

Commands:
  ls IMAGE [PATH]       list a directory inside an image
  cat IMAGE PATH        print a file inside an image
  inspect IMAGE         tell what an image holds: file system, kernels, device trees
  boot IMAGE …          make the boot image that a phone is sent
  stage0 IMAGE …        make the initramfs alone
  devpro ACTION …       tell which phones are known, check profiles of others
  help [COMMAND]        tell more about a command

Options:
  -h, --help            print this, or the help of a command
  -V, --version         print the version

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
`;

const BUILD_OPTIONS =
  `  --device-profile ID   the phone: see fastboop devpro list
  --stage0 FILE         the program that becomes /init, a static ELF, instead of the one built in;
                        by default that of the environment's FASTBOOP_STAGE0_PATH
  --require-module NAME load this kernel module too, after those of stage0 and the profile
  --dtb FILE            take this device tree instead of the image's
  --dtbo FILE           apply this overlay to the device tree
  --mac KIND=COMPATIBLE give the radio (wifi or bluetooth) an address made from the serial number
  --augment FILE        add the entries of a cpio archive; they count instead of ours
  --cmdline-append TEXT add words to the kernel's command line, or settings such as smoo.acm=1
  --serial              offer a serial console over USB
  --device-serial TEXT  serial number of the phone
  --clock-usec N        tell the phone the time: microseconds since 1970
  --ostree[=LINK]       boot an OSTree deployment: the current one, or that of LINK
  --compressed-modules  leave kernel modules as compressed as the image has them: for kernels that
                        unpack modules themselves
  --explain             tell what went in, from where, and how much of each limit it takes

Several times can be given: --require-module, --dtbo, --mac, --augment, --cmdline-append.
Equal input gives equal bytes.
`;

const TEXTS: Readonly<Record<Topic, string>> = {
  ls: `Usage: fastboop ls [-l] [-R] IMAGE [PATH]

Lists PATH, by default /, inside IMAGE, one name a line in the image's own order.
Links are followed inside the image: an absolute one starts at the image's root.

  -l, --long            type and mode, links, owner, group, size, time, name, link target
  -R, --recursive       everything below PATH, by full path
`,
  cat: `Usage: fastboop cat IMAGE PATH

Writes the file at PATH inside IMAGE to standard output, byte for byte.
`,
  inspect: `Usage: fastboop inspect [--json] IMAGE

Tells the file system of IMAGE, its features and block size, the kernel releases it brings and how
many device trees.

  --json                one JSON object instead of text
`,
  boot: `Usage: fastboop boot IMAGE --device-profile ID -o FILE [OPTION…]

Makes the boot image that a phone is sent by "fastboot boot": kernel, modules and device tree out
of IMAGE, with an initramfs that mounts IMAGE over USB. Nothing is asked of a phone.

  -o, --output FILE     where to; - for standard output
${BUILD_OPTIONS}`,
  stage0: `Usage: fastboop stage0 IMAGE --device-profile ID [-o FILE] [OPTION…]

Makes the initramfs alone, as it goes into the boot image.

  -o, --output FILE     where to; standard output by default
${BUILD_OPTIONS}`,
  devpro: `Usage: fastboop devpro list [--json]
       fastboop devpro show [--json] ID
       fastboop devpro check FILE…

Device profiles say how a phone is recognised, what its bootloader takes, and which kernel modules
its USB needs. list tells all that are known: built in, and your own. show prints one as a file to
start from. check reads files and tells all that is wrong in them, with line and column.

  --json                JSON instead of text

Your own profiles, *.yaml, *.yml or *.json, are looked for in these folders and go before those
built in:

  each part of FASTBOOP_SCHEMA_PATH, which are separated by ":"
  $XDG_CONFIG_HOME/fastboop/devpro, by default ~/.config/fastboop/devpro
  /usr/share/fastboop/devpro
`,
};

/** Help for a command, or the overview. */
export function helpText(topic?: Topic): string {
  return topic === undefined ? OVERVIEW : TEXTS[topic];
}
