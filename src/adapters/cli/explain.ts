import type { BootParts, BootPlan } from "../../boot/plan.ts";
import { maxBootCmdline } from "../../format/bootimg/params.ts";
import { printable } from "./listing.ts";

/** What it is, where it is from, what it is for, bytes there, bytes sent. */
type Row = readonly [string, string, string, string, string];

/** Columns of a {@linkcode Row} that hold numbers. */
const PART_NUMBERS = 3;

/** What went into an initramfs: a table for people. */
export function formatParts(parts: BootParts): string {
  const { cmdline, profile, ostree } = parts;
  const size = new TextEncoder().encode(cmdline.cmdline).length;
  const lines = [
    `${profile.display_name ?? profile.id} (${profile.id})`,
    ...(ostree === undefined ? [] : [`OSTree deployment ${ostree}`]),
    "",
    ...table(
      [["what", "from", "for", "stored", "sent"], ...partRows(parts)],
      PART_NUMBERS,
    ),
    "",
    `modules built into the kernel: ${
      parts.modules.builtin.map(({ name }) => name).join(" ") || "none"
    }`,
    "",
    "settings:",
    ...[...cmdline.settings].map(([key, value]) => `  ${key}=${value}`),
    "",
    `command line, ${size} of at most ${
      maxBootCmdline(profile.boot.fastboot_boot.android_bootimg.header_version)
    } bytes: ${cmdline.cmdline || "empty"}`,
  ];
  return `${lines.map(printable).join("\n")}\n`;
}

/** The same, and what lies where in the boot image. */
export function formatBoot(plan: BootPlan): string {
  const rows = plan.layout.map(({ name, offset, size, paddedSize, limit }) => [
    name,
    String(offset),
    String(size),
    String(paddedSize),
    limit === undefined
      ? "none"
      : `${limit} (${(100 * size / limit).toFixed(1)} % used)`,
  ]);
  const head = ["boot image", "at byte", "bytes", "padded", "limit"];
  return `${formatParts(plan)}\n${table([head, ...rows], 1).join("\n")}\n`;
}

function partRows(parts: BootParts): Row[] {
  const { kernel, deviceTree, moduleFiles, initramfs } = parts;
  const row = (
    what: string,
    from: string,
    why: string,
    stored: number | "",
    sent: number | "",
  ): Row => [
    what,
    from,
    why,
    String(stored),
    String(sent),
  ];
  // the initramfs is made without it
  const sentKernel = "kernelSize" in parts ? Number(parts.kernelSize) : "";
  const given = initramfs.rows.filter(({ path, source }) =>
    path === "init" ||
    !["stage0", "settings", "modules", "base"].includes(source)
  );
  return [
    row(
      `kernel ${kernel.release}`,
      kernel.path,
      "",
      kernel.fileSize,
      sentKernel,
    ),
    ...(deviceTree === undefined ? [] : [
      row(
        "device tree",
        deviceTree.from,
        "",
        deviceTree.storedSize,
        "kernelSize" in parts ? deviceTree.bytes.length : "",
      ),
      ...deviceTree.overlays.map(({ name, bytes }) =>
        row("overlay", name, "", bytes.length, "")
      ),
      ...deviceTree.macs.map(({ kind, compatible }) =>
        row(`address of ${kind}`, "serial number", compatible, "", "")
      ),
    ]),
    ...given.map(({ path, source, size }) =>
      row(
        `/${path}`,
        source === "stage0" ? parts.stage0 ?? "built in" : source,
        "",
        size,
        size,
      )
    ),
    ...moduleFiles.map(({ module, storedSize, bytes }) =>
      row(
        `module ${module.name}`,
        module.path,
        module.wantedBy,
        storedSize,
        bytes.length,
      )
    ),
    row(
      "initramfs",
      `${initramfs.rows.length} entries`,
      "",
      initramfs.unpackedSize,
      initramfs.bytes.length,
    ),
  ];
}

/** Columns as wide as they need; those from `numbers` on stand to the right. */
function table(
  rows: readonly (readonly string[])[],
  numbers: number,
): string[] {
  const widths = rows[0]!.map((_, i) =>
    Math.max(...rows.map((row) => row[i]!.length))
  );
  return rows.map((row) =>
    row.map((cell, i) =>
      i < numbers ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
    )
      .join("  ").trimEnd()
  );
}
