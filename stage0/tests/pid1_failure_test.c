/* Boots on a phone in memory that fail: the last line says what, on what, how and what to look at. */
#include <errno.h>
#include <linux/reboot.h>

#include "pid1_fails.h"

static void bad_setting(const char *key, const char *value, const char *expected)
{
	char line[512];

	fake_phone();
	fake_setting(key, value);
	snprintf(line, sizeof(line),
		 "Cannot read the settings: %s is \"%s\", expected %s: EINVAL, refused as invalid; "
		 "give another value",
		 key, value, expected);
	fails(line);
}

static void settings(void)
{
	static const char FLAG[] = "1, true, yes, on, 0, false, no or off";

	bad_setting("smoo.acm", "On", FLAG);
	bad_setting("smoo.mimic_fastboot", "2", FLAG);
	bad_setting("stage0.fb", "maybe", FLAG);
	bad_setting("stage0.rootfs", "btrfs", "erofs, ext4 or squashfs");
	bad_setting("stage0.failure", "shell", "panic, reboot, bootloader, poweroff or wait");
	bad_setting("stage0.failure_delay", "3601", "0 to 3600 seconds");
	bad_setting("smoo.queue_count", "0", "1 to 16");
	bad_setting("smoo.queue_size", "1025", "1 to 1024");
	bad_setting("smoo.max_io", "5000", "a multiple of 4096 from 4096 to 33554432");
	bad_setting("smoo.vendor", "0x10000", "0 to 65535 or 0x0000 to 0xffff");
	bad_setting("smoo.log", "usb=trace", "error, warn, info, debug or trace");
	fake_phone();
	fake_setting("ostree", "a\033b");
	fails("Cannot read the settings: ostree is \"a b\", expected text of at most 1023 bytes without "
	      "control characters: EINVAL, refused as invalid; give another value");
}

static void too_long(void)
{
	char value[2000];

	memset(value, 'x', sizeof(value));
	value[1999] = '\0';
	fake_phone();
	fake_setting("stage0.serial", value);
	fails("Cannot read the settings: /etc/stage0/stage0.serial: EFBIG, too large; text of at most "
	      "1023 bytes without control characters");
	fake_phone();
	value[1024] = '\0';
	fake_setting("stage0.serial", value);
	fake_boot();
	CHECK_HAS(fake.kmsg, "Cannot read the settings: stage0.serial is \"xxx");
}

static void two_names(void)
{
	fake_phone();
	fake_setting("smoo.vendor", "1\n");
	fake_setting("smoo.vendor_id", "1\n");
	fails("Cannot read the settings: smoo.vendor and smoo.vendor_id are one setting: EINVAL, "
	      "refused as invalid; leave one of them out");
}

static void no_root(void)
{
	fake_phone();
	node_remove(node_child(node_child(node_child(fake.initramfs, "etc"), "stage0"),
			       "stage0.rootfs"));
	fails("Cannot read the settings: stage0.rootfs: ENOENT, no such file or folder; set it to "
	      "erofs, ext4 or squashfs");
}

static void shell(void)
{
	fake_phone();
	fake_setting("smoo.break", "1\n");
	fails("Cannot read the settings: smoo.break: stage0 has no shell: EINVAL, refused as invalid; "
	      "remove the setting");
}

static void module(int error, const char *line)
{
	fake_phone();
	fake.module_that_fails = "erofs";
	fake.module_error = error;
	fails(line);
	CHECK_HAS_NOT(fake.modules, "overlay");
}

#define IN_EROFS "Cannot load modules: /lib/modules/6.12.0-arm64/kernel/erofs.ko: "

static void modules(void)
{
	module(-ENOENT, IN_EROFS "ENOENT, no such file or folder; it needs a symbol of another module that "
			      "must come before it, or is of another kernel: see the kernel's line above");
	module(-ENOEXEC, IN_EROFS "ENOEXEC, not a program or module for this kernel; it is of another "
			       "kernel: take kernel and modules from one image");
	module(-EKEYREJECTED, IN_EROFS "EKEYREJECTED, its signature was rejected; this kernel takes signed "
				    "modules only: take kernel and modules from one image");
	module(-ENODEV, IN_EROFS "ENODEV, no such device or file system; its hardware is not there: is this "
			      "the right device profile?");
}

static void packed_module(void)
{
	fake_phone();
	fake.module_that_fails = "usbip-vudc";
	fake.module_error = -EINVAL;
	fails("Cannot load modules: /lib/modules/6.12.0-arm64/kernel/usbip-vudc.ko.xz: EINVAL, refused "
	      "as invalid; this kernel may be unable to unpack modules: send them unpacked");
}

static void other_kernel(void)
{
	struct node *kernel;

	fake_phone();
	kernel = node_child(node_child(fake.kernel, "sys"), "kernel");
	node_set_text(node_child(kernel, "osrelease"), "6.13.1\n", 7);
	fails("Cannot load modules: the modules are for kernel 6.12.0-arm64, but kernel 6.13.1 runs: "
	      "ENOENT, no such file or folder; take kernel and modules from one image");
	fake_phone();
	node_remove(node_child(node_child(fake.initramfs, "lib"), "modules"));
	fails("Cannot load modules: there is no module for kernel 6.12.0-arm64: ENOENT, no such file or "
	      "folder; send the modules along");
}

static void index_text(const char *text)
{
	struct node *node = node_child(node_child(fake.initramfs, "lib"), "modules");

	node = node_child(node_child(node, "6.12.0-arm64"), "modules.dep");
	node_set_text(node, text, strlen(text));
}

static void wrong_index(void)
{
	fake_phone();
	index_text("kernel/a.ko: kernel/usbip-vudc.ko\nkernel/usbip-vudc.ko: kernel/a.ko\n");
	fails("Cannot load modules: kernel/usbip-vudc.ko needs itself: ELOOP, leads in a circle; "
	      "modules.dep is wrong");
	fake_phone();
	index_text("kernel/erofs.ko\n");
	fails("Cannot load modules: /lib/modules/6.12.0-arm64/modules.dep: EBADMSG, damaged data; the "
	      "host writes it into the initramfs");
	fake_phone();
	index_text("");
	fails("Cannot load modules: usbip_vudc is not in /lib/modules/6.12.0-arm64/modules.dep: ENOENT, "
	      "no such file or folder; the list names it, but it is not in the initramfs");
	fake_phone();
	index_text("kernel/gone.ko:\nkernel/usbip-vudc.ko: kernel/gone.ko\n");
	fails("Cannot load modules: /lib/modules/6.12.0-arm64/kernel/gone.ko: ENOENT, no such file or "
	      "folder; it is not in the initramfs");
}

static void no_overlay(void)
{
	fake_phone();
	node_set_text(node_child(fake.kernel, "filesystems"), "nodev\toverlayx\n\terofs\n", 23);
	fails("Cannot boot with this kernel: file system overlay: ENODEV, no such device or file system; "
	      "its module is not in the list and it is not built in");
}

static void no_controller(void)
{
	static const struct fake_event EVENTS[] = {
		{ .what = EVENT_NEWS, .news = { .what = GADGET_READY } },
		{ .what = EVENT_UEVENT },
		{ .what = EVENT_END },
	};

	fake_phone();
	fake.events = EVENTS;
	fails("Cannot bind the USB controller: no USB device controller for 30 s: ENODEV, no such device "
	      "or file system; is the module of the phone's USB controller in the device profile, and "
	      "does the device tree let it be a device?");
	CHECK(fake.now_ns / 1000000000 == 35, "%u s", (unsigned)(fake.now_ns / 1000000000));
}

static void silent_gadget(void)
{
	static const struct fake_event EVENTS[] = { { .what = EVENT_END } };

	fake_phone();
	fake.events = EVENTS;
	fails("Cannot wait for the gadget process: no news from the gadget process for 15 s: ETIMEDOUT, "
	      "timed out; its own lines above may say why");
}

#define DEAD "the gadget process was ended by signal 9: ECHILD, a process that is needed has ended; " \
	     "its own lines above say why"

static void gadget_dies(void)
{
	static const struct fake_event AT_ONCE[] = {
		{ .what = EVENT_GADGET_DIES, .status = 3 << 8 },
		{ .what = EVENT_END },
	};
	static const struct fake_event WHILE_WAITING[] = {
		{ .what = EVENT_NEWS, .news = { .what = GADGET_READY } },
		{ .what = EVENT_UDC },
		{ .what = EVENT_OTHER_DIES },
		{ .what = EVENT_NEWS, .news = { .what = GADGET_HOST } },
		{ .what = EVENT_GADGET_DIES, .status = 9 },
		{ .what = EVENT_END },
	};

	fake_phone();
	fake.events = AT_ONCE;
	fails("Cannot wait for the gadget process: the gadget process ended with exit code 3: ECHILD, a "
	      "process that is needed has ended; its own lines above say why");
	fake_phone();
	fake.events = WHILE_WAITING;
	fails("Cannot wait for the host: " DEAD);
}

static void odd_news(void)
{
	static const struct fake_event EVENTS[] = {
		{ .what = EVENT_NEWS, .news = { .what = 99 } },
		{ .what = EVENT_END },
	};
	static const struct fake_event NO_DEVICE[] = {
		{ .what = EVENT_NEWS, .news = { .what = GADGET_READY } },
		{ .what = EVENT_UDC },
		{ .what = EVENT_NEWS, .news = { .what = GADGET_ONLINE, .device = "xublkb0" } },
		{ .what = EVENT_END },
	};

	fake_phone();
	fake.events = EVENTS;
	fails("Cannot wait for the gadget process: the gadget process said 99: EPROTO, protocol error");
	fake_phone();
	fake.events = NO_DEVICE;
	fake_boot();
	CHECK_HAS(fake.kmsg, "the gadget process named no device: EPROTO");
}

static void no_host(void)
{
	static const struct fake_event EVENTS[] = {
		{ .what = EVENT_NEWS, .news = { .what = GADGET_READY } },
		{ .what = EVENT_UDC },
		{ .what = EVENT_UEVENT },
		{ .what = EVENT_OTHER_DIES },
		{ .what = EVENT_END },
	};
	const char *line;

	fake_phone();
	fake.events = EVENTS;
	CHECK(fake_boot() == FAKE_HANG, "ending %d: %s", fake.ending, fake.kmsg);
	line = strstr(fake.kmsg, "waiting for the host");
	CHECK(line && !strstr(line + 1, "waiting"), "%s", fake.kmsg);
}

static void policy(const char *word, const char *delay, enum fake_ending ending, int status,
		   const char *line)
{
	fake_phone();
	fake_setting("stage0.failure", word);
	fake_setting("stage0.failure_delay", delay);
	fake.module_that_fails = "overlay";
	fake.module_error = -ENOMEM;
	fake_boot();
	CHECK(fake.ending == ending && fake.status == status, "%s: ending %d, status %x", word,
	      fake.ending, (unsigned)fake.status);
	CHECK_HAS(fake.kmsg, line);
}

static void policies(void)
{
	policy("panic", "0", FAKE_EXIT, 1, "[kernel panic in 0 s]\n");
	CHECK(fake.slept_ms == 0, "slept");
	policy("reboot", "7", FAKE_REBOOT, LINUX_REBOOT_CMD_RESTART, "[restarting in 7 s]\n");
	CHECK(fake.slept_ms == 7000 && !fake.reboot_argument[0], "%s", fake.reboot_argument);
	policy("bootloader", "1", FAKE_REBOOT, (int)LINUX_REBOOT_CMD_RESTART2,
	       "[restarting into the bootloader in 1 s]\n");
	CHECK(!strcmp(fake.reboot_argument, "bootloader"), "%s", fake.reboot_argument);
	policy("poweroff", "1", FAKE_REBOOT, LINUX_REBOOT_CMD_POWER_OFF, "[powering off in 1 s]\n");
	policy("wait", "1", FAKE_WAITS, 0, "[waiting for you]\n");
}

static const struct fake_event BOUND[] = {
	{ .what = EVENT_NEWS, .news = { .what = GADGET_READY } },
	{ .what = EVENT_UDC },
	{ .what = EVENT_END },
};
static const struct fake_event STUCK[] = {
	{ .what = EVENT_GADGET_DIES, .status = 9 },
	{ .what = EVENT_END },
};
static const struct fake_event HANDED_OVER[] = { { .what = EVENT_HANDOFF }, { .what = EVENT_END } };
static const struct fake_event SAID_IN_TIME[] = {
	{ .what = EVENT_GADGET_DIES, .status = 9 },
	{ .what = EVENT_HANDOFF },
	{ .what = EVENT_END },
};

/* Follows the watching process, the second one that is started, from its start on. */
static void watch(const struct fake_event *then)
{
	fake_phone();
	fake.child_of_fork = 2;
	fake.events = BOUND;
	fake.events_of_child = then;
	fake_boot();
}

static void watching(void)
{
	const struct node *trigger;

	watch(STUCK);
	CHECK(fake.ending == FAKE_REBOOT && fake.status == LINUX_REBOOT_CMD_RESTART, "%d", fake.ending);
	CHECK_HAS(fake.kmsg, "<3>stage0: Cannot go on: the gadget process has ended, and the first process "
			     "waits for the device that it served: ECHILD, a process that is needed has "
			     "ended; its own lines above say why [kernel panic in 5 s]\n");
	trigger = node_child(fake.kernel, "sysrq-trigger");
	CHECK(!strcmp(trigger->text, "c"), "%s", trigger->text);
	watch(HANDED_OVER);
	CHECK(fake.ending == FAKE_EXIT && fake.status == 0 && !strstr(fake.kmsg, "<3>"), "%s", fake.kmsg);
	watch(SAID_IN_TIME);
	CHECK(fake.ending == FAKE_EXIT && fake.status == 0 && !strstr(fake.kmsg, "<3>"), "%s", fake.kmsg);
}

static void not_first(void)
{
	fake_phone();
	fake.pid = 2;
	CHECK(fake_boot() == FAKE_EXIT && fake.status == 1, "%d", fake.ending);
	CHECK_HAS(fake.console, "Cannot run: this is the first process of an initramfs");
	CHECK(fake.calls == 1, "%u calls", fake.calls);
}

static void not_in_memory(void)
{
	fake_phone();
	fake.root_type = 0xef53; /* ext4 */
	CHECK(fake_boot() == FAKE_EXIT && fake.status == 1, "%d", fake.ending);
	CHECK_HAS(fake.console, "Cannot use / as an initramfs: its file system is of type 0xef53: EPERM");
	CHECK(!fake.mounts[0] && !strstr(fake.kmsg, "started"), "%s%s", fake.mounts, fake.kmsg);
}

int main(void)
{
	static const struct test TESTS[] = {
		{ "a bad value of each kind of setting is named with what is expected", settings },
		{ "a value longer than its room is refused", too_long },
		{ "two names of one setting are refused", two_names },
		{ "without a root file system nothing is guessed", no_root },
		{ "smoo.break is refused: there is no shell", shell },
		{ "a module that fails ends the boot and says what that means", modules },
		{ "a packed module that a kernel cannot unpack is explained", packed_module },
		{ "modules of another kernel: both releases are named", other_kernel },
		{ "a wrong modules.dep is refused", wrong_index },
		{ "a kernel without overlay is refused before any host is waited for", no_overlay },
		{ "no controller for 30 s ends the boot", no_controller },
		{ "a gadget process that says nothing for 15 s ends the boot", silent_gadget },
		{ "the end of the gadget process ends the boot, that of others does not", gadget_dies },
		{ "news that make no sense end the boot", odd_news },
		{ "a host is waited for without a limit, which is said once", no_host },
		{ "stage0.failure decides what follows a failure, after its delay", policies },
		{ "the watching process ends the boot where the first one cannot", watching },
		{ "it does nothing when it is not the first process", not_first },
		{ "it touches nothing of a root that is no initramfs", not_in_memory },
	};

	return run_tests(TESTS, sizeof(TESTS) / sizeof(TESTS[0]));
}
