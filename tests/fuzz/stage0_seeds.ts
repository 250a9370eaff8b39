/**
 * What fuzzing of stage0 begins with, by the name of the program in `stage0/tests`.
 *
 * @module
 */
export const SEEDS: Readonly<Record<string, readonly (string | Uint8Array)[]>> =
  {
    fuzz_settings: [
      "stage0.rootfs=erofs",
      "stage0.serial=deadbeef",
      "stage0.failure=bootloader",
      "stage0.failure_delay=3600",
      "smoo.acm=1",
      "smoo.queue_count=16",
      "smoo.queue_depth=0x400",
      "smoo.max_io_bytes=1048576",
      "smoo.vendor=0x18d1",
      "smoo.log=trace",
      "firstboot.locale-messages=de_DE.UTF-8",
      "ostree=/ostree/boot.1/debian/abc/0",
    ],
    fuzz_modules: [
      "kernel/fs/erofs/erofs.ko:\nkernel/fs/overlayfs/overlay.ko:\n",
      "kernel/a-b.ko.xz: kernel/c.ko.zst kernel/d.ko.gz\nkernel/c.ko.zst:\n",
      "# comment\n; another\n  usb_f_fs \r\n",
    ],
    fuzz_text: [
      "0x1f",
      "18446744073709551615",
      "000",
      "6,339,5140900,-;NET: Registered\n SUBSYSTEM=net\n",
      "30,1,2,c,caller=T1;text\n",
    ],
    // one export of 1 GiB in blocks of 512 bytes, and none
    fuzz_gadget_config: [
      bytes(
        "0000010000000000 44332211 00020000 0000004000000000 0100000000000000",
      ),
      bytes("0000000000000000"),
    ],
    fuzz_gadget_response: [bytes("00".repeat(64)), bytes("0102".repeat(64))],
    fuzz_gadget_ublk: [
      // 8 sectors from the 16th one on, read
      bytes("00000000 08000000 1000000000000000 0000000000000000 03ff"),
      bytes("03000000 08000000 0000000000000000 0000000000000000 0001"),
    ],
    fuzz_gadget_kmsg: [
      "6,339,5140900,-;NET: Registered\n SUBSYSTEM=net\n",
      "30,1,2,c,caller=T1;text\n",
    ],
  };

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(
    hex.replaceAll(" ", "").match(/../g)!,
    (pair) => parseInt(pair, 16),
  );
}
