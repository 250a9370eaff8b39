/**
 * Finding an interface by what it says of itself, never by fixed numbers.
 *
 * @module
 */

import type {
  UsbAlternateInterface,
  UsbConfiguration,
  UsbDevice,
  UsbDirection,
  UsbEndpoint,
  UsbInterface,
} from "./shape.ts";

/** What is looked for in an endpoint: `bulk-in`. */
export type EndpointKind = `${UsbEndpoint["type"]}-${UsbDirection}`;

/** bInterfaceClass, bInterfaceSubClass and bInterfaceProtocol. */
export type InterfaceTriple = readonly [
  interfaceClass: number,
  interfaceSubclass: number,
  interfaceProtocol: number,
];

/** What is looked for in an interface. */
export interface InterfaceWish<Kind extends EndpointKind> {
  /** Any of these; which one comes first does not matter. */
  readonly triples: readonly InterfaceTriple[];
  /** All of these; more may be there. */
  readonly endpoints: readonly Kind[];
}

/** Where an interface is. */
export interface FoundInterface<Kind extends EndpointKind> {
  /** It is in this one, which need not be set. */
  readonly configuration: UsbConfiguration;
  /** It is this one. */
  readonly interface: UsbInterface;
  /** In this setting, which need not be selected. */
  readonly alternate: UsbAlternateInterface;
  /** The first of each kind, in the order of the descriptors. */
  readonly endpoints: Readonly<Record<Kind, UsbEndpoint>>;
}

/**
 * Finds an alternate setting with one of the triples and all the endpoints in any configuration.
 *
 * Of several it takes the first, those of the configuration that is set before all others.
 *
 * @example
 * ```ts
 * import type { UsbDevice } from "./shape.ts";
 * import { findInterface } from "./find.ts";
 *
 * async function sendTo(device: UsbDevice, bytes: Uint8Array<ArrayBuffer>) {
 *   const found = findInterface(device, {
 *     triples: [[0xff, 0x42, 0x03]],
 *     endpoints: ["bulk-in", "bulk-out"],
 *   });
 *   if (found === undefined) throw new Error("This is no fastboot device");
 *   await device.transferOut(found.endpoints["bulk-out"].endpointNumber, bytes);
 * }
 * ```
 */
export function findInterface<Kind extends EndpointKind>(
  device: Pick<UsbDevice, "configuration" | "configurations">,
  wish: InterfaceWish<Kind>,
): FoundInterface<Kind> | undefined {
  const current = device.configuration?.configurationValue;
  const isCurrent = (one: UsbConfiguration) =>
    one.configurationValue === current;
  const configurations = [
    ...device.configurations.filter(isCurrent),
    ...device.configurations.filter((one) => !isCurrent(one)),
  ];
  for (const configuration of configurations) {
    for (const one of configuration.interfaces) {
      for (const alternate of one.alternates) {
        if (!hasTriple(alternate, wish.triples)) continue;
        const endpoints = findEndpoints(alternate, wish.endpoints);
        if (endpoints === undefined) continue;
        return { configuration, interface: one, alternate, endpoints };
      }
    }
  }
  return undefined;
}

function hasTriple(
  alternate: UsbAlternateInterface,
  triples: readonly InterfaceTriple[],
): boolean {
  const { interfaceClass, interfaceSubclass, interfaceProtocol } = alternate;
  return triples.some((triple) =>
    triple[0] === interfaceClass && triple[1] === interfaceSubclass &&
    triple[2] === interfaceProtocol
  );
}

function findEndpoints<Kind extends EndpointKind>(
  { endpoints }: UsbAlternateInterface,
  kinds: readonly Kind[],
): Record<Kind, UsbEndpoint> | undefined {
  const found: Partial<Record<Kind, UsbEndpoint>> = {};
  for (const kind of kinds) {
    const one = endpoints.find(({ type, direction }) =>
      `${type}-${direction}` === kind
    );
    if (one === undefined) return undefined;
    found[kind] = one;
  }
  return found as Record<Kind, UsbEndpoint>;
}
