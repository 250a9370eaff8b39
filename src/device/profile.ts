/**
 * What fastboop knows of a phone: how to recognise it, what its bootloader takes, which modules its
 * USB needs. Names are those of the files in `devpros/`.
 *
 * @module
 */

/** How the kernel is stored in a boot image; `+dtb` when the device tree follows it. */
export type KernelEncoding =
  | "image"
  | "image+dtb"
  | "image.gz"
  | "image.gz+dtb"
  | "image.lz4"
  | "image.lz4+dtb"
  | "image.zst"
  | "image.zst+dtb";

/** How the initramfs is stored in a boot image. */
export type InitrdCompression = "none" | "gzip" | "lz4" | "zstd";

/** Version of the header of a boot image. */
export type BootHeaderVersion = 0 | 1 | 2 | 3 | 4;

/** A USB device that the phone may be while its bootloader waits for commands. */
export interface ProfileMatch {
  /** As fastboot. */
  readonly fastboot: {
    /** USB vendor id, 16 bits. */
    readonly vid: number;
    /** USB product id, 16 bits. */
    readonly pid: number;
  };
}

/** What a step of a probe demands of the value: exactly one of these. */
export type ProbeComparator =
  | { readonly equals: string }
  | { readonly starts_with: string }
  | { readonly not_equals: string }
  | { readonly exists: null }
  | { readonly not_exists: null };

/** One question to the bootloader. */
export type ProbeStep =
  & { readonly "fastboot.getvar": string }
  & ProbeComparator;

/** Most bytes that the bootloader takes; 0 or absent for no limit of its own. */
export interface BootLimits {
  /** Kernel as stored, with the device tree when that follows it. */
  readonly max_kernel_bytes?: number;
  /** Initramfs as stored. */
  readonly max_initrd_bytes?: number;
  /** The whole boot image. */
  readonly max_total_bytes?: number;
}

/** The boot image that the phone takes. Offsets are added to `base`. */
export interface AndroidBootimgProfile {
  /** Of the boot image. */
  readonly header_version: BootHeaderVersion;
  /** Bytes, a power of two from 2048 to 65536; 4096 for versions 3 and 4. */
  readonly page_size: number;
  /** 0 when absent. */
  readonly base?: number;
  /** 0x8000 when absent. */
  readonly kernel_offset?: number;
  /** 0x1000000 when absent. */
  readonly ramdisk_offset?: number;
  /** 0xf00000 when absent. */
  readonly second_offset?: number;
  /** 0x100 when absent. */
  readonly tags_offset?: number;
  /** 0x1f00000 when absent; used by version 2 and later. */
  readonly dtb_offset?: number;
  /** None when absent. */
  readonly limits?: BootLimits;
  /** How the kernel is stored. */
  readonly kernel: { readonly encoding: KernelEncoding };
  /** How the initramfs is stored; not compressed when absent. */
  readonly initrd?: { readonly compress?: InitrdCompression };
  /** First part of the kernel's command line. */
  readonly cmdline_append?: string;
}

/** A phone. */
export interface DeviceProfile {
  /** Lower-case letters, digits, `.`, `_`, `-` and `+`. */
  readonly id: string;
  /** For people; `id` when absent. */
  readonly display_name?: string;
  /** Processor, as `uname -m` names it: which kernels it runs; `aarch64` when absent. */
  readonly machine?: "aarch64" | "x86_64";
  /**
   * Path of the device tree below the folder of a kernel's device trees, without `.dtb`; null where
   * the machine brings its own, so that none is sent.
   */
  readonly devicetree_name: string | null;
  /** At least one. */
  readonly match: readonly ProfileMatch[];
  /** All must hold; asked in this order. */
  readonly probe: readonly ProbeStep[];
  /** How it is booted: by `fastboot boot`. */
  readonly boot: {
    readonly fastboot_boot: { readonly android_bootimg: AndroidBootimgProfile };
  };
  /** What the program on the phone needs. */
  readonly stage0: {
    /** Modules that bring up the USB controller, in the order they are to be loaded. */
    readonly kernel_modules: readonly string[];
  };
}

/** Offsets that `mkbootimg` uses when it is told none. */
export const DEFAULT_OFFSETS = {
  kernel_offset: 0x8000,
  ramdisk_offset: 0x0100_0000,
  second_offset: 0x00f0_0000,
  tags_offset: 0x100,
  dtb_offset: 0x01f0_0000,
} as const;
