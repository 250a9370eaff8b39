/** What to do, for failures whose message cannot know which program it is shown by. */
const HINTS: Readonly<Record<string, string>> = {
  "usb.access-denied":
    "Rules for all phones: fastboop udev | sudo tee /etc/udev/rules.d/70-fastboop.rules, then plug it in again",
  "boot.no-phone":
    'See which phones are known with "fastboop devpro list", and what is plugged in with "fastboop detect"',
  "boot.several-phones":
    "Choose by --device-serial TEXT or --port BUS-PORT, or boot them all by --all",
  "boot.ambiguous-profile": "Choose by --device-profile ID",
  "fastboot.lost":
    "Start its bootloader again; use another cable or port if it happens again",
  "boot.no-gadget":
    "Try with --serial, which gives the phone a serial console over USB, or see what its screen says",
};

/** What a user of the command line can do about a failure; nothing when its message says it all. */
export function hintFor(code: string): string | undefined {
  return HINTS[code];
}
