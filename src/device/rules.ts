/**
 * What must hold between the keys of a profile, beyond the form of each.
 *
 * Works on data whose form may be wrong elsewhere, so that all problems of a file come at once.
 *
 * @module
 */

import { maxBootCmdline } from "../format/bootimg/params.ts";
import {
  COMPARATORS,
  type Finding,
  type Path,
  quote,
  valueAt,
} from "./problems.ts";
import { DEFAULT_OFFSETS } from "./profile.ts";
import { keysAt } from "./schema.ts";

const U32_MAX = 0xffff_ffff;
const FASTBOOT_BOOT = ["boot", "fastboot_boot"];

type Mapping = Readonly<Record<string, unknown>>;

/** Everything that is wrong between keys. */
export function findRuleProblems(data: unknown): Finding[] {
  return [
    ...findDuplicateMatches(data),
    ...findNeedlessTree(data),
    ...findProbeProblems(data),
    ...findBootimgProblems(data),
    ...findDuplicateModules(data),
  ];
}

function findDuplicateMatches(data: unknown): Finding[] {
  return findDuplicates(listAt(data, ["match"]), (match) => {
    const { vid, pid } = mapping(mapping(match)["fastboot"]);
    if (!isUint(vid) || !isUint(pid)) return undefined;
    return `${hex(vid, 4)}:${hex(pid, 4)}`;
  }).map(({ index, first, key }) => ({
    code: "profile.duplicate-match",
    path: ["match", index],
    reason: `${key} is in match[${first}] already, expected each device once`,
    found: key,
  }));
}

/** Only kernels of aarch64 are sent a device tree. */
function findNeedlessTree(data: unknown): Finding[] {
  const name = valueAt(data, ["devicetree_name"]);
  const machine = valueAt(data, ["machine"]);
  if (machine !== "x86_64" || typeof name !== "string") return [];
  return [{
    code: "profile.wrong-value",
    path: ["devicetree_name"],
    reason: `found ${quote(name)}, but machine is x86_64, which has no ` +
      "device tree, expected null",
    found: name,
    expected: "null",
  }];
}

function findProbeProblems(data: unknown): Finding[] {
  const findings: Finding[] = [];
  const known = keysAt(["probe", 0]);
  for (const [i, step] of listAt(data, ["probe"]).entries()) {
    if (!isMapping(step)) continue;
    const present = COMPARATORS.filter((key) => Object.hasOwn(step, key));
    const misspelt = Object.keys(step).some((key) => !known.includes(key));
    const expected = `exactly one of ${COMPARATORS.join(", ")}`;
    if (present.length === 0 && !misspelt) {
      findings.push({
        code: "profile.no-comparator",
        path: ["probe", i],
        reason: `found no demand on the value, expected ${expected}`,
        expected,
      });
    } else if (present.length > 1) {
      findings.push({
        code: "profile.several-comparators",
        path: ["probe", i, present[1]!],
        at: "key",
        reason: `found ${present.join(" and ")}, expected ${expected}; ` +
          "make a step of each",
        found: present.join(", "),
        expected,
      });
    }
  }
  return findings;
}

function findBootimgProblems(data: unknown): Finding[] {
  const boot = valueAt(data, FASTBOOT_BOOT);
  if (!isMapping(boot)) return [];
  const names = ["android_bootimg", "bootimg"]
    .filter((name) => Object.hasOwn(boot, name));
  const [name] = names;
  if (name === undefined) {
    return [{
      code: "profile.missing-key",
      path: [...FASTBOOT_BOOT, "android_bootimg"],
      at: "key",
      reason: 'missing key "android_bootimg"',
      expected: "android_bootimg",
    }];
  }
  const path = [...FASTBOOT_BOOT, name];
  const image = mapping(boot[name]);
  return [
    ...names.slice(1).map((second): Finding => ({
      code: "profile.duplicate-key",
      path: [...FASTBOOT_BOOT, second],
      at: "key",
      reason: `${quote(second)} is another name of ${quote(name)}, ` +
        "expected one of them",
      found: second,
    })),
    ...findPageProblems(image, path),
    ...(valueAt(data, ["devicetree_name"]) === null
      ? findNeedlessDtb(image, path)
      : findLostDtb(image, path)),
    ...findAddressProblems(image, path),
    ...findCmdlineProblems(image, path),
  ];
}

function findPageProblems(image: Mapping, path: Path): Finding[] {
  const { header_version: version, page_size: size } = image;
  if (version !== 3 && version !== 4) return [];
  if (!isUint(size) || size === 4096) return [];
  return [{
    code: "profile.wrong-value",
    path: [...path, "page_size"],
    reason: `found ${size}, expected 4096, the only one of header version ` +
      `${version}`,
    found: String(size),
    expected: "4096",
  }];
}

/** Only header 2 has a place for a device tree: in all others it must follow the kernel. */
function findLostDtb(image: Mapping, path: Path): Finding[] {
  const { header_version: version, kernel } = image;
  const { encoding } = mapping(kernel);
  if (!isVersion(version) || version === 2) return [];
  if (typeof encoding !== "string" || !/^image[.a-z0-9]*$/.test(encoding)) {
    return [];
  }
  const nearest = `${encoding}+dtb`;
  return [{
    code: "profile.dtb-lost",
    path: [...path, "kernel", "encoding"],
    reason: `found ${quote(encoding)}, but header version ${version} has no ` +
      `place for a device tree${
        version < 2 ? "" : ", which it leaves to the phone's flash"
      }, expected ${quote(nearest)}`,
    found: encoding,
    expected: nearest,
    nearest,
  }];
}

/** Where no device tree is sent, none can follow the kernel. */
function findNeedlessDtb(image: Mapping, path: Path): Finding[] {
  if (image["header_version"] === 2) {
    return [{
      code: "profile.wrong-value",
      path: [...path, "header_version"],
      reason: "found 2, which demands a device tree, but devicetree_name is " +
        "null, expected another header version",
      found: "2",
    }];
  }
  const { encoding } = mapping(image["kernel"]);
  if (typeof encoding !== "string" || !encoding.endsWith("+dtb")) return [];
  const nearest = encoding.slice(0, -"+dtb".length);
  return [{
    code: "profile.dtb-lost",
    path: [...path, "kernel", "encoding"],
    reason: `found ${quote(encoding)}, but devicetree_name is null, so that ` +
      `no device tree is sent, expected ${quote(nearest)}`,
    found: encoding,
    expected: nearest,
    nearest,
  }];
}

/** Headers 3 and 4 leave the addresses to the phone's flash: others than the usual ones are lost. */
function findLostAddresses(image: Mapping, path: Path): Finding[] {
  const version = image["header_version"];
  return Object.entries({ base: 0, ...DEFAULT_OFFSETS })
    .flatMap(([key, normal]) => {
      const value = image[key];
      if (!isUint(value) || value === normal) return [];
      return [{
        code: "profile.address-lost" as const,
        path: [...path, key],
        reason: `found ${hex(value)}, but header version ${version} holds ` +
          "no addresses, expected none; leave it out",
        found: hex(value),
      }];
    });
}

function findAddressProblems(image: Mapping, path: Path): Finding[] {
  const version = image["header_version"];
  if (version === 3 || version === 4) return findLostAddresses(image, path);
  const base = image["base"] ?? 0;
  if (!isUint(base)) return [];
  const findings: Finding[] = [];
  for (const [key, normal] of Object.entries(DEFAULT_OFFSETS)) {
    const offset = image[key] ?? normal;
    const limit = key === "dtb_offset" ? Number.MAX_SAFE_INTEGER : U32_MAX;
    if (!isUint(offset) || offset > limit || base + offset <= limit) continue;
    const where = Object.hasOwn(image, key) ? key : "base";
    findings.push({
      code: "profile.address-overflow",
      path: [...path, where],
      reason: `base ${hex(base)} + ${key} ${hex(offset)} is ` +
        `${hex(base + offset)}, expected at most ${hex(limit)}`,
      found: hex(base + offset),
      expected: hex(limit),
    });
    // the same base would be told for each offset that is not in the file
    if (where === "base") break;
  }
  return findings;
}

function findCmdlineProblems(image: Mapping, path: Path): Finding[] {
  const { cmdline_append: cmdline, header_version: version } = image;
  if (typeof cmdline !== "string" || !isVersion(version)) return [];
  const most = maxBootCmdline(version);
  const size = new TextEncoder().encode(cmdline).length;
  if (size <= most) return [];
  return [{
    code: "profile.cmdline-too-long",
    path: [...path, "cmdline_append"],
    reason: `found ${size} bytes, expected at most ${most}, which is what ` +
      `header version ${version} has room for`,
    found: String(size),
    expected: String(most),
  }];
}

function findDuplicateModules(data: unknown): Finding[] {
  const path = ["stage0", "kernel_modules"];
  return findDuplicates(
    listAt(data, path),
    (name) => typeof name === "string" ? name.replaceAll("-", "_") : undefined,
  ).map(({ index, first, key }) => ({
    code: "profile.duplicate-module",
    path: [...path, index],
    reason: `${quote(key)} is in kernel_modules[${first}] already, ` +
      "expected each module once",
    found: key,
  }));
}

function findDuplicates(
  list: readonly unknown[],
  keyOf: (item: unknown) => string | undefined,
): { index: number; first: number; key: string }[] {
  const seen = new Map<string, number>();
  const found = [];
  for (const [index, item] of list.entries()) {
    const key = keyOf(item);
    if (key === undefined) continue;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, index);
    else found.push({ index, first, key });
  }
  return found;
}

function listAt(data: unknown, path: Path): readonly unknown[] {
  const value = valueAt(data, path);
  return Array.isArray(value) ? value : [];
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mapping(value: unknown): Mapping {
  return isMapping(value) ? value : {};
}

function isVersion(value: unknown): value is 0 | 1 | 2 | 3 | 4 {
  return isUint(value) && value <= 4;
}

function isUint(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function hex(value: number, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}
