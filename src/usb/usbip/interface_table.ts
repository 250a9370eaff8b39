/**
 * Which configuration is set, which interfaces are claimed and in which setting they are.
 *
 * @module
 */

import type {
  ParsedAlternate,
  ParsedConfiguration,
  ParsedEndpoint,
  ParsedInterface,
} from "../descriptors.ts";
import type { UsbDirection } from "../shape.ts";

interface State {
  claimed: boolean;
  alternate: ParsedAlternate | undefined;
}

/** What the host knows of a device's state. A caller's mistake is a `TypeError`. */
export class InterfaceTable {
  /** As the device described them; `claimed` is told by {@linkcode configuration}. */
  readonly configurations: readonly ParsedConfiguration[];
  #current: ParsedConfiguration | null = null;
  #states = new Map<number, State>();

  /** Of a device without a configuration set. */
  constructor(configurations: readonly ParsedConfiguration[]) {
    this.configurations = configurations;
  }

  /** The configuration that is set, as it is now. */
  get configuration(): ParsedConfiguration | null {
    const current = this.#current;
    if (current === null) return null;
    const interfaces = current.interfaces.map((one): ParsedInterface => {
      const claimed = this.#states.get(one.interfaceNumber)!.claimed;
      return { ...one, claimed };
    });
    return { ...current, interfaces };
  }

  /** Refuses a configuration that the device does not have. */
  expectConfiguration(value: number): ParsedConfiguration {
    const found = this.configurations.find((one) =>
      one.configurationValue === value
    );
    if (found !== undefined) return found;
    throw new TypeError(
      `Cannot select configuration ${value}: the device has ${
        this.configurations.map((one) => one.configurationValue).join(", ")
      }`,
    );
  }

  /** A configuration was set: nothing is claimed, all settings are 0. Unknown values count as none. */
  configure(value: number): void {
    this.#current =
      this.configurations.find((one) => one.configurationValue === value) ??
        null;
    this.#states = new Map();
    for (const one of this.#current?.interfaces ?? []) {
      const alternate = one.alternates.find((each) =>
        each.alternateSetting === 0
      );
      this.#states.set(one.interfaceNumber, { claimed: false, alternate });
    }
  }

  /** Claims an interface of the configuration that is set. */
  claim(interfaceNumber: number): void {
    this.#state(interfaceNumber).claimed = true;
  }

  /** Undoes {@linkcode claim}. */
  release(interfaceNumber: number): void {
    this.#state(interfaceNumber).claimed = false;
  }

  /** Undoes every {@linkcode claim}. */
  releaseAll(): void {
    for (const state of this.#states.values()) state.claimed = false;
  }

  /** Refuses a setting that a claimed interface does not have. */
  expectAlternate(
    interfaceNumber: number,
    alternateSetting: number,
  ): ParsedAlternate {
    const { claimed } = this.#state(interfaceNumber);
    if (!claimed) {
      throw new TypeError(
        `Cannot use interface ${interfaceNumber}: it is not claimed`,
      );
    }
    const { alternates } = this.#interface(interfaceNumber)!;
    const found = alternates.find((one) =>
      one.alternateSetting === alternateSetting
    );
    if (found !== undefined) return found;
    throw new TypeError(
      `Cannot select alternate setting ${alternateSetting} of interface ${interfaceNumber}: it has ${
        alternates.map((one) => one.alternateSetting).join(", ")
      }`,
    );
  }

  /** A setting was chosen. */
  select(interfaceNumber: number, alternateSetting: number): void {
    const alternate = this.expectAlternate(interfaceNumber, alternateSetting);
    this.#state(interfaceNumber).alternate = alternate;
  }

  /** Endpoints of an interface as it is set now; none when it is unknown. */
  endpointsOf(interfaceNumber: number): readonly ParsedEndpoint[] {
    return this.#states.get(interfaceNumber)?.alternate?.endpoints ?? [];
  }

  /** The endpoint in the settings of the claimed interfaces; refuses any other. */
  endpoint(endpointNumber: number, direction: UsbDirection): ParsedEndpoint {
    for (const { claimed, alternate } of this.#states.values()) {
      if (!claimed || alternate === undefined) continue;
      for (const one of alternate.endpoints) {
        if (
          one.endpointNumber === endpointNumber && one.direction === direction
        ) return one;
      }
    }
    throw new TypeError(
      `Cannot use endpoint ${endpointNumber} ${direction}: no claimed interface has it in its current setting`,
    );
  }

  #interface(interfaceNumber: number): ParsedInterface | undefined {
    return this.#current?.interfaces.find((one) =>
      one.interfaceNumber === interfaceNumber
    );
  }

  #state(interfaceNumber: number): State {
    const state = this.#states.get(interfaceNumber);
    if (state !== undefined) return state;
    throw new TypeError(
      this.#current === null
        ? `Cannot use interface ${interfaceNumber}: no configuration is selected`
        : `Cannot use interface ${interfaceNumber}: configuration ${this.#current.configurationValue} does not have it`,
    );
  }
}
