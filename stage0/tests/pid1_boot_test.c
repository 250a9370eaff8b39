/* Whole boots on a phone in memory that come to their end. */
#include <errno.h>

#include "fake_sys.h"
#include "pid1_test.h"

static const char *text_at(const char *path)
{
	int error;
	struct node *node = tree_find(&fake.place, path, 0, NULL, &error);

	CHECK(node, "%s: error %d", path, error);
	return node->text ? node->text : "";
}

static bool exists(const char *path)
{
	int error;

	return tree_find(&fake.place, path, 0, NULL, &error) != NULL;
}

static mode_t mode_of(const char *path)
{
	int error;
	struct node *node = tree_find(&fake.place, path, FOLLOW, NULL, &error);

	CHECK(node, "%s: error %d", path, error);
	return node->mode & 07777;
}

static void boots(void)
{
	CHECK(fake_boot() == FAKE_EXEC, "ending %d: %s%s", fake.ending, fake.kmsg,
	      fake.console);
}

static void erofs(void)
{
	fake_phone();
	boots();
	CHECK(!strcmp(fake.exec_path, "/lib/systemd/systemd"), "%s", fake.exec_path);
	CHECK(!strcmp(fake.exec_arguments, "/lib/systemd/systemd splash "), "%s", fake.exec_arguments);
	CHECK(!strcmp(fake.exec_environment, "HOME=/ TERM=linux RUST_LOG=debug "), "%s",
	      fake.exec_environment);
	CHECK(!strcmp(fake.modules,
		      "usb-common usbip-vudc configfs usb_f_fs ublk_drv erofs overlay "),
	      "%s", fake.modules);
	CHECK(!strcmp(fake.udc, "usbip-vudc.0"), "%s", fake.udc);
	CHECK_HAS(fake.mounts, "/dev/ublkb0 /lower erofs 1 -\n");
	CHECK(!exists("/etc/fstab"), "still there");
	CHECK(fake.forks == 2, "%u", fake.forks);
}

static void says(void)
{
	fake_phone();
	boots();
	CHECK_HAS(fake.kmsg, "<6>stage0: started\n");
	CHECK_HAS(fake.kmsg, "<6>stage0: loaded 7 modules in 0 ms\n");
	CHECK_HAS(fake.kmsg, "<6>stage0: bound to usbip-vudc.0 after 4 ms (modules 0 ms)\n");
	CHECK_HAS(fake.kmsg, "<6>stage0: waiting for the host: run fastboop on the computer at the "
			     "other end of the cable\n");
	CHECK_HAS(fake.kmsg, "<6>stage0: a host is there; waiting for what it exports\n");
	CHECK_HAS(fake.kmsg, "<6>stage0: the host exports 2 images; waiting for the first one\n");
	CHECK_HAS(fake.kmsg, "<6>stage0: /dev/ublkb0 is there: export 0 (id 1234abcd), 300 MiB in "
			     "blocks of 4096 bytes\n");
	CHECK_HAS(fake.kmsg,
		  "<6>stage0: handing over to the system, 0 ms after /dev/ublkb0 was there\n");
	CHECK(!fake.console[0], "%s", fake.console);
	CHECK(!strcmp(text_at("/proc/sys/kernel/printk_devkmsg"), "ratelimit\n"), "%s",
	      text_at("/proc/sys/kernel/printk_devkmsg"));
}

static void less_log(void)
{
	fake_phone();
	fake_setting("smoo.log", "warn\n");
	fake_setting("stage0.future", "1\n");
	boots();
	CHECK(!strcmp(fake.kmsg, "<6>stage0: started\n"
				 "<4>stage0: setting stage0.future is unknown and does nothing\n"),
	      "%s", fake.kmsg);
}

static void ext4(void)
{
	fake_phone();
	fake_setting("stage0.rootfs", " ext4");
	fake.image_kind = "ext4";
	boots();
	CHECK_HAS(fake.mounts, "/dev/ublkb0 /lower ext4 1 noload\n");
}

static void squashfs(void)
{
	fake_phone();
	fake_setting("stage0.rootfs", "squashfs\n");
	fake.image_kind = "squashfs";
	boots();
	CHECK_HAS(fake.mounts, "/dev/ublkb0 /lower squashfs 1 -\n");
}

static void ostree(void)
{
	fake_phone();
	fake_ostree();
	boots();
	CHECK_HAS(fake.mounts, "/run /newroot/ostree/deploy/debian/deploy/abc.0/run - 1000 -\n"
			       ". / - 2000 -\n"
			       "/ /ostree/deploy/debian/deploy/abc.0/sysroot - 1000 -\n"
			       "/ostree/deploy/debian/var /ostree/deploy/debian/deploy/abc.0/var - 1000 -\n"
			       "/boot /ostree/deploy/debian/deploy/abc.0/boot - 1000 -\n");
	CHECK(!exists("/etc/fstab") && exists("/sysroot/etc/fstab"), "the wrong fstab went");
	CHECK(mode_of("/run/ostree-booted") == 0640, "%o", mode_of("/run/ostree-booted"));
	CHECK(exists("/run/ostree") && exists("/var/lib") && exists("/sysroot/ostree/deploy"), " ");
}

static void ostree_without_boot(void)
{
	fake_phone();
	fake_ostree();
	node_remove(node_child(node_child(fake.image, "boot"), "loader"));
	boots();
	CHECK_HAS_NOT(fake.mounts, "/boot /ostree");
	CHECK_HAS(fake.mounts, "/var - 1000 -\n");
}

static void acm(void)
{
	fake_phone();
	fake_setting("smoo.acm", "");
	boots();
	CHECK(fake.forks == 3, "%u", fake.forks);
	CHECK_HAS(text_at("/run/systemd/system/getty.target.wants/serial-getty@ttyGS0.service"),
		  "/usr/lib/systemd/system/serial-getty@.service");
	CHECK_HAS(text_at("/run/systemd/system/sysinit.target.wants/plymouth-start.service"),
		  "/usr/lib/systemd/system/plymouth-start.service");
	CHECK(exists("/run/systemd/system/sysinit.target.wants/plymouth-read-write.service"), " ");
	CHECK(exists("/sys/kernel/config/usb_gadget/fastboop/configs/c.1/acm"), " ");
}

static void no_acm(void)
{
	fake_phone();
	boots();
	CHECK(exists("/run/systemd/system") && !exists("/run/systemd/system/getty.target.wants"),
	      " ");
	CHECK(!exists("/sys/kernel/config/usb_gadget/fastboop/configs/c.1/acm"), " ");
}

static void framebuffer(void)
{
	fake_phone();
	fake_setting("stage0.fb", "yes\n");
	boots();
	CHECK(fake.forks == 3 && fake.killed == 100, "%u forks, %d killed", fake.forks, fake.killed);
}

#define GADGET "/sys/kernel/config/usb_gadget/fastboop/"

static void identity(void)
{
	fake_phone();
	fake_setting("stage0.serial", "deadbeef\n");
	fake_setting("smoo.vendor", "0x18d1\n");
	fake_setting("smoo.product_id", "53261\n");
	boots();
	CHECK(!strcmp(text_at(GADGET "idVendor"), "0x18d1"), "%s", text_at(GADGET "idVendor"));
	CHECK(!strcmp(text_at(GADGET "idProduct"), "0xd00d"), "%s", text_at(GADGET "idProduct"));
	CHECK(!strcmp(text_at(GADGET "strings/0x409/serialnumber"), "deadbeef"), " ");
	CHECK(!strcmp(text_at(GADGET "configs/c.1/MaxPower"), "500"), " ");
	CHECK(!strcmp(text_at("/run/credentials/@initrd/system.machine_id"),
		      "1880dc546dadb9801880dd546dadbb33"),
	      "%s", text_at("/run/credentials/@initrd/system.machine_id"));
}

static void no_serial(void)
{
	fake_phone();
	boots();
	CHECK(!strcmp(text_at("/run/credentials/@initrd/system.machine_id"),
		      "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"),
	      "%s", text_at("/run/credentials/@initrd/system.machine_id"));
	CHECK(!strcmp(text_at(GADGET "strings/0x409/serialnumber"), ""), " ");
}

static void firstboot(void)
{
	fake_phone();
	fake_setting("firstboot.locale", "de_DE.UTF-8\n");
	fake_setting("firstboot.timezone", "Europe/Berlin\n");
	boots();
	CHECK(!strcmp(text_at("/run/credentials/@initrd/firstboot.locale"), "de_DE.UTF-8"), " ");
	CHECK(!strcmp(text_at("/run/credstore/firstboot.timezone"), "Europe/Berlin"), " ");
	CHECK(!exists("/run/credstore/firstboot.keymap"), " ");
	CHECK(!exists("/run/credstore/system.machine_id"), " ");
	CHECK(mode_of("/run/credentials/@initrd") == 0700 && mode_of("/run/credstore") == 0700, " ");
	CHECK(mode_of("/run/credentials/@initrd/firstboot.locale") == 0600, " ");
}

static void keeps_fstab(void)
{
	fake_phone();
	fake_setting("stage0.yeetfstab", "off\n");
	boots();
	CHECK(exists("/etc/fstab"), " ");
}

static void plain_init(void)
{
	fake_phone();
	node_remove(node_child(fake.image, "lib"));
	node_remove(node_child(node_child(fake.image, "usr"), "lib"));
	node_remove(node_child(fake.image, "etc"));
	tree_make(fake.image, "usr/lib/systemd/systemd", "ELF");
	boots();
	CHECK(!strcmp(fake.exec_path, "/usr/lib/systemd/systemd"), "%s", fake.exec_path);

	fake_phone();
	node_remove(node_child(fake.image, "usr"));
	node_remove(node_child(fake.image, "sbin"));
	tree_make(fake.image, "sbin/init", "ELF");
	boots();
	CHECK(!strcmp(fake.exec_path, "/sbin/init"), "%s", fake.exec_path);
	CHECK(!strcmp(fake.exec_arguments, "/sbin/init splash "), "%s", fake.exec_arguments);
}

/* What is left are the folders that something is mounted on. */
static void frees_memory(void)
{
	struct place initramfs;

	fake_phone();
	boots();
	for (unsigned i = 0; i < fake.initramfs->count; i++) {
		const struct node *node = fake.initramfs->entries[i];

		CHECK(node->mounted || node->count == 0, "%s holds %u", node->name, node->count);
		CHECK(!strstr(" init lib etc link-out ", node->name), "%s is there", node->name);
	}
	initramfs = (struct place){ fake.initramfs, fake.initramfs };
	fake.place = initramfs;
	CHECK(exists("/dev/ublkb0") && exists("/run/credentials") && exists("/ffs/ep0") &&
		      exists("/proc/filesystems"),
	      "the gadget process needs it");
}

static void mounts(void)
{
	fake_phone();
	boots();
	CHECK_HAS(fake.mounts, "proc /proc proc e -\n");
	CHECK_HAS(fake.mounts, "sysfs /sys sysfs e -\n");
	CHECK_HAS(fake.mounts, "devtmpfs /dev devtmpfs 1000002 mode=0755\n");
	CHECK_HAS(fake.mounts, "tmpfs /run tmpfs 1000006 mode=0755,size=20%,nr_inodes=800k\n");
	CHECK_HAS(fake.mounts, "/dev /newroot/dev - 5000 -\n/run /newroot/run - 1000 -\n");
}

/* Looking into the image costs a way to the host each time. */
static void does_not_look(void)
{
	static const char *const FOLDERS[] = { "/upper/upper/proc", "/upper/upper/sys",
					       "/upper/upper/dev", "/upper/upper/run" };
	int error;

	fake_phone();
	boots();
	fake.place = (struct place){ fake.initramfs, fake.initramfs };
	for (unsigned i = 0; i < 4; i++) {
		const struct node *node = tree_find(&fake.place, FOLDERS[i], 0, NULL, &error);

		CHECK(node && S_ISDIR(node->mode) && node->opaque, "%s", FOLDERS[i]);
	}
	fake_phone();
	fake_ostree();
	boots();
	fake.place = (struct place){ fake.initramfs, fake.initramfs };
	CHECK(!exists("/upper/upper/proc"), "the deployment has them");
}

static void break_off(void)
{
	fake_phone();
	fake_setting("smoo.break", "0\n");
	boots();
}

static void module_is_there(void)
{
	fake_phone();
	fake.module_that_fails = "erofs";
	fake.module_error = -EEXIST;
	boots();
	CHECK_HAS(fake.kmsg, "loaded 6 modules");
}

static void udc_at_once(void)
{
	static const struct fake_event EVENTS[] = {
		{ .what = EVENT_NEWS, .news = { .what = GADGET_READY } },
		{ .what = EVENT_NEWS, .news = { .what = GADGET_ONLINE, .device = "/dev/ublkb7" } },
		{ .what = EVENT_END },
	};

	fake_phone();
	fake.udc_at_once = true;
	fake.events = EVENTS;
	boots();
	CHECK_HAS(fake.mounts, "/dev/ublkb7 /lower erofs 1 -\n");
}

int main(void)
{
	static const struct test TESTS[] = {
		{ "an erofs image boots, modules in order, init with words and environment", erofs },
		{ "the log says how far it is and how long it took", says },
		{ "smoo.log leaves lines out; an unknown setting is a warning", less_log },
		{ "an ext4 image is mounted without its journal", ext4 },
		{ "a squashfs image boots", squashfs },
		{ "an OSTree deployment becomes the root, with sysroot, var and boot", ostree },
		{ "an OSTree image without a loader link keeps the deployment's boot",
		  ostree_without_boot },
		{ "smoo.acm adds the function, the log's process and a getty", acm },
		{ "without smoo.acm there is neither function nor getty", no_acm },
		{ "stage0.fb starts a process that lets go before the handoff", framebuffer },
		{ "the gadget has the ids and the serial of the settings, the machine its id",
		  identity },
		{ "without a serial the machine id is random", no_serial },
		{ "firstboot settings become credentials that only root can read", firstboot },
		{ "stage0.yeetfstab=0 keeps the fstab", keeps_fstab },
		{ "init is looked for where distributions have it", plain_init },
		{ "the initramfs is deleted, what is mounted on it is not", frees_memory },
		{ "virtual file systems are mounted as systemd does it", mounts },
		{ "what is mounted on hides what the image has, without a look at it", does_not_look },
		{ "smoo.break=0 is fine", break_off },
		{ "a module that is loaded already is fine", module_is_there },
		{ "a quick controller and any device name are fine", udc_at_once },
	};

	return run_tests(TESTS, sizeof(TESTS) / sizeof(TESTS[0]));
}
