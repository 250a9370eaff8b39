/**
 * Folders that distributions put the device trees of one kernel in; `*` is its release.
 *
 * Debian; Fedora, Alpine and others; Ubuntu; Fedora, openSUSE and flash-kernel; Arch. Those below
 * `/lib` are for images without a merged `/usr`, those at the top for boot partitions.
 */
export const RELEASE_FOLDERS: readonly string[] = [
  "/usr/lib/linux-image-*",
  "/usr/lib/modules/*/dtb",
  "/lib/modules/*/dtb",
  "/usr/lib/firmware/*/device-tree",
  "/lib/firmware/*/device-tree",
  "/boot/dtb-*",
  "/boot/dtbs-*",
  "/boot/dtbs/*",
  "/dtb-*",
  "/dtbs/*",
];

/** Folders of device trees that do not say for which kernel: postmarketOS and boards with one kernel. */
export const COMMON_FOLDERS: readonly string[] = [
  "/boot/dtbs",
  "/boot/dtb",
  "/boot",
  "/usr/share/dtb",
  "/usr/lib/firmware",
  "/lib/firmware",
  "/dtbs",
  "/dtb",
];
