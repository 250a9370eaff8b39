/**
 * What fuzzing of stage0 begins with, by the name of the program in `stage0/tests`.
 *
 * @module
 */
export const SEEDS: Readonly<Record<string, readonly string[]>> = {
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
};
