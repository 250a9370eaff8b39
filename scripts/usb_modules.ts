/**
 * Tells which kernel modules bring up the USB controller of a phone, and why each.
 *
 *     deno run -A scripts/usb_modules.ts [--root FOLDER] [--yaml] DTB…
 *
 *     --root FOLDER      an image's root, extracted, with one kernel and its modules; the Debian
 *                        fixture's when absent
 *     --yaml             only the list, as a profile has it
 *
 * Starts at the USB controllers that can be a gadget and follows what Linux itself follows before it
 * lets a driver probe (`drivers/of/property.c`): clocks, power domains, regulators, PHYs,
 * interconnects, pins, resets, interrupts, mailboxes, and the buses above. What provides each is
 * looked up in modules.alias, as udev would have modprobe do. Drivers inside the kernel are in no
 * index, so their names are looked for in the kernel image. See docs/PORTING.md.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import process from "node:process";
import { findFixture } from "./fixtures/all.ts";
import { parseDeviceTree, type TreeNode } from "./lib/device_tree.ts";
import { type ModuleTree, readModuleTree } from "./lib/module_tree.ts";

/** Properties that name providers, each with the property of a provider that counts arguments. */
const PROVIDERS: readonly (readonly [RegExp, string | number])[] = [
  [/^phys$/, "#phy-cells"],
  [/^usb-phy$/, 0],
  [/^clocks$/, "#clock-cells"],
  [/^power-domains$/, "#power-domain-cells"],
  [/-supply$/, 0],
  [/^interconnects$/, "#interconnect-cells"],
  [/^qcom,bcm-voters$/, 0],
  [/^resets$/, "#reset-cells"],
  [/^iommus$/, "#iommu-cells"],
  [/^pinctrl-\d+$/, 0],
  [/^interrupts-extended$/, "#interrupt-cells"],
  [/^wakeup-parent$/, 0],
  [/^mboxes$/, "#mbox-cells"],
  [/^qcom,ipc$/, 2],
  [/^hwlocks$/, "#hwlock-cells"],
  [/^nvmem-cells$/, "#nvmem-cell-cells"],
  [/^io-channels$/, "#io-channel-cells"],
  [/^dmas$/, "#dma-cells"],
  [/^extcon$/, 0],
  [/^memory-region$/, 0],
  [/(?:^|-)gpios?$/, "#gpio-cells"],
];

/** Compatibles that create the devices below and have no driver of their own to wait for. */
const TRANSPARENT = new Set([
  "simple-bus",
  "simple-mfd",
  "syscon",
  "simple-pm-bus",
]);

const CONTROLLERS = /^(?:snps,dwc3|chipidea,usb2|qcom,ci-hdrc)$/;

/** Devices whose graph leads to who tells the controller its role. */
const ROLE = /dwc3|ci-hdrc|typec|connector|pmic-glink|sbu-mux|port-manager/;

/** A device that the controller needs. */
export interface UsbDevice {
  readonly node: string;
  readonly compatible: string;
  /** What led to the node: a property of the node that needs it, or `bus of …`. */
  readonly reason: string;
}

/** Its driver, when that is a module. */
export interface UsbModule extends UsbDevice {
  readonly module: string;
}

/** What the walk found. */
export interface UsbModules {
  /** Providers first. */
  readonly modules: readonly UsbModule[];
  /** Devices whose driver is part of the kernel. */
  readonly builtin: readonly UsbDevice[];
  /** Devices that nothing in this kernel drives. */
  readonly undriven: readonly UsbDevice[];
}

/** Walks from the USB controllers of a device tree. */
export function findUsbModules(root: TreeNode, tree: ModuleTree): UsbModules {
  const nodes = [...root.all()];
  const byPhandle = new Map<number, TreeNode>();
  for (const node of nodes) {
    const [phandle] = node.cells("phandle");
    if (phandle !== undefined) byPhandle.set(phandle, node);
  }
  const seen = new Set<TreeNode>();
  const modules = new Map<string, UsbModule>();
  const builtin: UsbDevice[] = [];
  const undriven: UsbDevice[] = [];

  for (const node of nodes) {
    if (isGadget(node)) visit(node, "the USB controller");
  }
  return {
    modules: [...modules.values()],
    builtin,
    undriven,
  };

  function visit(start: TreeNode, reason: string): void {
    const node = deviceOf(start);
    if (node === undefined || seen.has(node) || !node.enabled) return;
    seen.add(node);
    for (const [property, provider] of providers(node)) {
      if (property === "clocks" && isLoop(node, provider)) continue;
      visit(provider, `${property} of ${node.name}`);
    }
    if (node.parent) visit(node.parent, `bus of ${node.name}`);
    const compatibles = node.texts("compatible");
    const drivers = compatibles.flatMap((compatible) =>
      tree.modulesOf(compatible).map((module) => ({ module, compatible }))
    );
    for (const { module, compatible } of drivers) {
      if (modules.has(module)) continue;
      visitSymbols(module);
      modules.set(module, { module, node: node.path, compatible, reason });
    }
    if (drivers.length > 0) return;
    const device = {
      node: node.path,
      compatible: compatibles.join(" "),
      reason,
    };
    if (compatibles.some((text) => tree.inKernel(text))) builtin.push(device);
    else if (!compatibles.some((text) => TRANSPARENT.has(text))) {
      undriven.push(device);
    }
  }

  /**
   * Some needs are in no property: a driver that calls another, as that of shared memory, needs its
   * device too. They show as dependencies between modules.
   */
  function visitSymbols(module: string): void {
    for (const needed of tree.closure([module])) {
      if (needed === module || modules.has(needed)) continue;
      for (const node of nodes) {
        const drives = node.texts("compatible")
          .some((text) => tree.modulesOf(text).includes(needed));
        if (drives) visit(node, `symbols for ${module}`);
      }
    }
  }

  /**
   * A clock controller lists clocks that PHYs make of its own. Linux sees the loop and does not wait.
   */
  function isLoop(node: TreeNode, provider: TreeNode): boolean {
    if (!node.properties.has("#clock-cells")) return false;
    const passed = new Set<TreeNode>();
    const reaches = (start: TreeNode): boolean => {
      const device = deviceOf(start);
      if (device === undefined || passed.has(device)) return false;
      passed.add(device);
      if (device === node) return true;
      for (const [, next] of providers(device)) if (reaches(next)) return true;
      return device.parent !== undefined && reaches(device.parent);
    };
    return reaches(provider);
  }

  function* providers(node: TreeNode): Iterable<[string, TreeNode]> {
    for (const part of partsOf(node)) {
      for (const property of part.properties.keys()) {
        const kind = PROVIDERS.find(([name]) => name.test(property));
        if (kind === undefined) continue;
        const cells = part.cells(property);
        for (let at = 0; at < cells.length;) {
          const provider = byPhandle.get(cells[at++]!);
          if (provider === undefined) continue;
          yield [property, provider];
          at += typeof kind[1] === "number"
            ? kind[1]
            : provider.cells(kind[1])[0] ?? 0;
        }
      }
    }
    if (node.properties.has("interrupts")) {
      for (let up: TreeNode | undefined = node; up; up = up.parent) {
        const parent = byPhandle.get(up.cells("interrupt-parent")[0] ?? -1);
        if (parent === undefined) continue;
        yield ["interrupt-parent", parent];
        break;
      }
    }
    if (!node.texts("compatible").some((text) => ROLE.test(text))) return;
    for (const below of node.all()) {
      const remote = byPhandle.get(below.cells("remote-endpoint")[0] ?? -1);
      if (remote !== undefined) yield ["graph", remote];
    }
  }
}

/** A controller that is on and not wired up as host only. */
function isGadget(node: TreeNode): boolean {
  return node.enabled &&
    node.texts("compatible").some((text) => CONTROLLERS.test(text)) &&
    node.texts("dr_mode")[0] !== "host";
}

/** The node itself or the nearest above that is a device: pins, regulators and cells are parts. */
function deviceOf(node: TreeNode): TreeNode | undefined {
  for (let up: TreeNode | undefined = node; up?.parent; up = up.parent) {
    if (up.properties.has("compatible")) return up;
  }
  return undefined;
}

/** A device and the nodes below that are parts of it, no devices of their own. */
function* partsOf(node: TreeNode): Iterable<TreeNode> {
  yield node;
  for (const child of node.children) {
    if (!child.properties.has("compatible")) yield* partsOf(child);
  }
}

async function main(args: readonly string[]): Promise<number> {
  let root = findFixture("debian-arm64.root");
  let yaml = false;
  const files: string[] = [];
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--root") root = args[++i];
    else if (args[i] === "--yaml") yaml = true;
    else files.push(args[i]!);
  }
  if (files.length === 0 || root === undefined) {
    console.error(
      "Usage: usb_modules.ts [--root FOLDER] [--yaml] DTB…\n" +
        "--root may be left out after deno task fixtures debian-arm64.root",
    );
    return 2;
  }
  const tree = await readModuleTree(root);
  for (const file of files) {
    const found = findUsbModules(parseDeviceTree(await readFile(file)), tree);
    if (yaml) {
      console.log("stage0:\n  kernel_modules:");
      for (const { module } of found.modules) console.log(`    - ${module}`);
      continue;
    }
    console.log(`${file}\n`);
    table("module", found.modules);
    table("built in", found.builtin);
    table("NO DRIVER", found.undriven);
  }
  return 0;
}

function table(
  title: string,
  rows: readonly (UsbDevice & { readonly module?: string })[],
): void {
  for (const { module = "", node, compatible, reason } of rows) {
    console.log(`${title.padEnd(10)} ${module.padEnd(22)} ${reason}`);
    console.log(`${"".padEnd(33)} ${compatible}, ${node}`);
  }
  console.log();
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
