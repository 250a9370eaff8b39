import { FormatError } from "../../errors.ts";
import { FdtFault, fdtSet } from "../../wasm/fdt.ts";
import { checkDtb, type DtbOptions } from "./describe.ts";
import { MAX_DTB_SIZE, treeError, UNNAMED } from "./errors.ts";

/** Which radio gets an address. */
export type MacKind = "wifi" | "bluetooth";

/** What an address is made from, and who gets it. */
export interface MacInjection {
  /** Of Wi-Fi or of Bluetooth. */
  readonly kind: MacKind;
  /** `compatible` of the node, such as `qcom,wcn3990-wifi`. */
  readonly compatible: string;
  /** Equal seeds give equal addresses: the phone's serial number, `0` when it has none. */
  readonly seed: string;
}

const FNV_OFFSET_BASIS = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;

/**
 * Makes the address that a phone gets: the low six bytes of FNV-1a-64 over seed, kind and compatible,
 * the least significant first, marked as locally administered and unicast.
 */
export function makeMac(
  { kind, compatible, seed }: MacInjection,
): Uint8Array<ArrayBuffer> {
  let hash = FNV_OFFSET_BASIS;
  for (const byte of new TextEncoder().encode(seed + kind + compatible)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME);
  }
  const mac = Uint8Array.from(
    { length: 6 },
    (_, at) => Number(hash >> BigInt(8 * at) & 0xffn),
  );
  mac[0] = mac[0]! & ~1 | 2;
  return mac;
}

/**
 * Gives a radio an address of its own: Debian's trees leave it to the bootloader, which does not know
 * our kernel's nodes, so that the driver would take another at random at each boot.
 *
 * Sets `local-mac-address` or, least significant byte first as Linux wants it, `local-bd-address` of
 * the first node with that `compatible`; replaces the property when it is there.
 *
 * @returns The packed tree.
 * @throws {FormatError} as {@linkcode checkDtb}; `fdt.no-node` when nothing has that `compatible`
 * @see Linux, Documentation/devicetree/bindings/net/bluetooth/bluetooth-controller.yaml
 */
export async function injectMac(
  dtb: Uint8Array,
  injection: MacInjection,
  options: DtbOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { kind, compatible } = injection;
  const name = options.name ?? UNNAMED;
  const tree = await checkDtb(dtb, options);
  const mac = makeMac(injection);
  try {
    return await fdtSet(
      tree,
      { compatible },
      kind === "wifi" ? "local-mac-address" : "local-bd-address",
      kind === "wifi" ? mac : mac.reverse(),
      MAX_DTB_SIZE,
    );
  } catch (error) {
    if (!(error instanceof FdtFault) || error.reason !== "no-node") {
      throw treeError(name, tree, error);
    }
    throw new FormatError(
      "fdt.no-node",
      `Cannot give ${kind} an address in "${name}": no node is compatible with "${compatible}" (${error.libfdt}); see which compatible its node has`,
      {
        facts: { name, kind, compatible, libfdt: error.libfdt },
        cause: error,
      },
    );
  }
}
