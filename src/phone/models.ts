/**
 * The virtual phones that there are, each the one of a profile in `devpros/`.
 *
 * @module
 */

import type { PhoneController, PhoneMachine } from "./agent.ts";

/** What a kind of virtual phone is like. */
export interface PhoneModel {
  /** What its bootloader says to `getvar:product`. */
  readonly product: string;
  readonly machine: PhoneMachine;
  readonly controller: PhoneController;
}

/** By the name that users write. */
export const PHONE_MODELS: Readonly<
  Record<"arm64" | "arm64-superspeed" | "x86_64", PhoneModel>
> = {
  arm64: {
    product: "virtual-phone-arm64",
    machine: "aarch64",
    controller: "vudc",
  },
  "arm64-superspeed": {
    product: "virtual-phone-arm64-superspeed",
    machine: "aarch64",
    controller: "dummy",
  },
  x86_64: {
    product: "virtual-phone-x86_64",
    machine: "x86_64",
    controller: "vudc",
  },
};
