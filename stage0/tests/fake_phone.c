/* What a phone has: an initramfs as the host makes it, a kernel's file systems, an image. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "fake_sys.h"
#include "sys.h"

int stage0_main(int argc, char *argv[], char *envp[]);

static struct filesystem proc_type = { .device = 2, .frozen = true };
static struct filesystem sys_type = { .device = 3, .frozen = true };
static struct filesystem dev_type = { .device = 4 };
static struct filesystem tmp_type = { .device = 5 };
static struct filesystem ffs_type = { .device = 6, .frozen = true };
static struct filesystem config_type = { .device = 7 };

static const struct fake_event GOOD_EVENTS[] = {
	{ .what = EVENT_OTHER_DIES },
	{ .what = EVENT_NEWS, .news = { .what = GADGET_READY } },
	{ .what = EVENT_UEVENT },
	{ .what = EVENT_UDC },
	{ .what = EVENT_NEWS, .news = { .what = GADGET_HOST } },
	{ .what = EVENT_NEWS, .news = { .what = GADGET_EXPORTS, .count = 2 } },
	{ .what = EVENT_NEWS,
	  .news = { .what = GADGET_ONLINE,
		    .index = 1,
		    .export_id = 7,
		    .block_size = 512,
		    .size = 1 << 20,
		    .device = "/dev/ublkb1" } },
	{ .what = EVENT_NEWS,
	  .news = { .what = GADGET_ONLINE,
		    .export_id = 0x1234abcd,
		    .block_size = 4096,
		    .size = 300 << 20,
		    .device = "/dev/ublkb0" } },
	{ .what = EVENT_END },
};

/* The kernel makes what belongs into a folder of configfs together with it. */
static void configfs_made(struct node *folder)
{
	const char *above = folder->parent->name;

	if (strcmp(above, "usb_gadget") == 0) {
		static const char *const FILES[] = { "idVendor", "idProduct", "bcdUSB", "UDC" };
		static const char *const FOLDERS[] = { "strings", "configs", "functions" };

		for (unsigned i = 0; i < 4; i++)
			node_add(folder, S_IFREG | 0644, FILES[i], "");
		for (unsigned i = 0; i < 3; i++)
			node_add(folder, S_IFDIR | 0755, FOLDERS[i], NULL);
	} else if (strcmp(above, "configs") == 0) {
		node_add(folder, S_IFREG | 0644, "bmAttributes", "");
		node_add(folder, S_IFREG | 0644, "MaxPower", "");
		node_add(folder, S_IFDIR | 0755, "strings", NULL);
	} else if (strcmp(above, "strings") == 0) {
		static const char *const STRINGS[] = { "manufacturer", "product", "serialnumber",
						       "configuration" };

		for (unsigned i = 0; i < 4; i++)
			node_add(folder, S_IFREG | 0644, STRINGS[i], "");
	}
}

static int configfs_written(struct node *file)
{
	if (strcmp(file->name, "UDC") == 0)
		snprintf(fake.udc, sizeof(fake.udc), "%s", file->text);
	return 0;
}

/* proc_dostring() of this one wants a line end. */
static int proc_written(struct node *file)
{
	if (strcmp(file->name, "printk_devkmsg") == 0 && !strchr(file->text, '\n'))
		return -EINVAL;
	return 0;
}

static void make_initramfs(void)
{
	static const char MODULES[] = "lib/modules/6.12.0-arm64/";
	static const char *const FOLDERS[] = { "dev", "proc", "run", "sys" };
	struct node *root = node_new(&fake.initramfs_type, S_IFDIR | 0755, "");
	char path[128];

	fake.initramfs = root;
	fake.place = (struct place){ .root = root, .current = root };
	for (unsigned i = 0; i < 4; i++)
		tree_make(root, FOLDERS[i], NULL);
	tree_make(root, "init", "ELF");
	tree_make(root, "dev/console", "");
	tree_make(root, "link-out", "-> /dev");
	snprintf(path, sizeof(path), "%smodules.dep", MODULES);
	tree_make(root, path,
		  "kernel/configfs.ko:\nkernel/usb_f_fs.ko: kernel/configfs.ko\n"
		  "kernel/ublk_drv.ko:\nkernel/erofs.ko:\nkernel/overlay.ko:\n"
		  "kernel/usbip-vudc.ko.xz: kernel/usb-common.ko\nkernel/usb-common.ko:\n");
	static const char *const FILES[] = { "configfs.ko", "usb_f_fs.ko",   "ublk_drv.ko",
					     "erofs.ko",    "overlay.ko",    "usbip-vudc.ko.xz",
					     "usb-common.ko" };
	for (unsigned i = 0; i < 7; i++) {
		snprintf(path, sizeof(path), "%skernel/%s", MODULES, FILES[i]);
		tree_make(root, path, "module");
	}
	/* The later file is made first: its name counts. */
	tree_make(root, "etc/modules-load.d/fastboop-stage0.conf",
		  "# in this order\nusb_f_fs\n\nublk_drv\nerofs\noverlay\n");
	tree_make(root, "etc/modules-load.d/10-first.conf", "  usbip_vudc \n; done\n");
	tree_make(root, "etc/modules-load.d/readme", "not a list\n");
	fake_setting("stage0.rootfs", "erofs\n");
}

static void make_kernel(void)
{
	fake.kernel = node_new(&proc_type, S_IFDIR | 0555, "");
	tree_make(fake.kernel, "sys/kernel/osrelease", "6.12.0-arm64\n");
	tree_make(fake.kernel, "sys/kernel/printk_devkmsg", "ratelimit\n");
	tree_make(fake.kernel, "filesystems",
		  "nodev\tproc\nnodev\ttmpfs\nnodev\toverlay\n\terofs\n\text4\n\tsquashfs\n");
	tree_make(fake.kernel, "sysrq-trigger", "");
	tree_make(fake.kernel, "self/oom_score_adj", "0\n");
	fake.sys = node_new(&sys_type, S_IFDIR | 0555, "");
	tree_make(fake.sys, "kernel/config", NULL);
	tree_make(fake.sys, "class", NULL);
	fake.devices = node_new(&dev_type, S_IFDIR | 0755, "");
	tree_make(fake.devices, "console", "");
	tree_make(fake.devices, "kmsg", "");
	tree_make(fake.devices, "null", "");
}

static void make_image(void)
{
	static const char *const FOLDERS[] = { "dev", "proc", "run", "sys", "tmp", "boot" };
	struct node *root = node_new(&fake.image_type, S_IFDIR | 0755, "");

	fake.image = root;
	for (unsigned i = 0; i < 6; i++)
		tree_make(root, FOLDERS[i], NULL);
	tree_make(root, "lib", "-> usr/lib");
	tree_make(root, "sbin", "-> usr/sbin");
	tree_make(root, "usr/lib/systemd/systemd", "ELF");
	tree_make(root, "usr/sbin/init", "-> ../lib/systemd/systemd");
	tree_make(root, "etc/fstab", "/dev/sda1 / ext4\n");
}

void fake_phone(void)
{
	memset(&fake, 0, sizeof(fake));
	fake_reset_files();
	fake_reset_processes();
	fake.initramfs_type = (struct filesystem){ .device = 1 };
	fake.image_type = (struct filesystem){ .device = 8 };
	proc_type.written = proc_written;
	config_type.made_folder = configfs_made;
	config_type.written = configfs_written;
	fake.image_kind = "erofs";
	fake.events = GOOD_EVENTS;
	fake.pid = 1;
	fake.root_type = RAMFS_MAGIC;
	fake.fail_with = -EIO;
	make_initramfs();
	make_kernel();
	make_image();
}

void fake_ostree(void)
{
	static const char DEPLOYMENT[] = "ostree/deploy/debian/deploy/abc.0";
	static const char *const FOLDERS[] = { "boot", "dev", "proc", "run",
					       "sys",  "tmp", "sysroot", "var" };
	char path[160];

	for (unsigned i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "%s/%s", DEPLOYMENT, FOLDERS[i]);
		tree_make(fake.image, path, NULL);
	}
	snprintf(path, sizeof(path), "%s/usr/lib/systemd/systemd", DEPLOYMENT);
	tree_make(fake.image, path, "ELF");
	snprintf(path, sizeof(path), "%s/etc/fstab", DEPLOYMENT);
	tree_make(fake.image, path, "/dev/sda1 / ext4\n");
	tree_make(fake.image, "ostree/deploy/debian/var/lib", NULL);
	tree_make(fake.image, "ostree/boot.1", "-> boot.1.1");
	tree_make(fake.image, "ostree/boot.1.1/debian/123/0",
		  "-> ../../../deploy/debian/deploy/abc.0");
	tree_make(fake.image, "boot/loader", "-> loader.1");
	fake_setting("ostree", "/ostree/boot.1/debian/123/0\n");
}

void fake_setting(const char *key, const char *value)
{
	char path[128];
	struct node *folder = tree_make(fake.initramfs, "etc/stage0", NULL);
	struct node *old = node_child(folder, key);

	if (old)
		node_remove(old);
	snprintf(path, sizeof(path), "etc/stage0/%s", key);
	tree_make(fake.initramfs, path, value);
}

static struct node *make_configfs(void)
{
	struct node *root = node_new(&config_type, S_IFDIR | 0755, "");

	tree_make(root, "usb_gadget", NULL);
	return root;
}

static struct node *mount_device(const char *source, const char *type, const char *data, int *error)
{
	struct node *device = tree_find(&fake.place, source, FOLLOW, NULL, error);

	if (!device)
		return NULL;
	*error = 0;
	if (strcmp(type, fake.image_kind) != 0)
		*error = -EINVAL;
	/* The kernel refuses to replay a journal on what is read-only. */
	if (strcmp(type, "ext4") == 0 && (!data || strcmp(data, "noload") != 0))
		*error = -EROFS;
	return *error == 0 ? fake.image : NULL;
}

struct node *fake_mount_tree(const char *source, const char *type, const char *data, int *error)
{
	struct node *root;

	if (strcmp(type, "proc") == 0)
		return fake.kernel;
	if (strcmp(type, "sysfs") == 0)
		return fake.sys;
	if (strcmp(type, "devtmpfs") == 0)
		return fake.devices;
	if (strcmp(type, "configfs") == 0)
		return make_configfs();
	if (strcmp(type, "tmpfs") == 0)
		return node_new(&tmp_type, S_IFDIR | 0755, "");
	if (strcmp(type, "functionfs") == 0) {
		root = node_new(&ffs_type, S_IFDIR | 0755, "");
		node_add(root, S_IFREG | 0600, "ep0", "");
		return root;
	}
	if (strcmp(type, "overlay") == 0) {
		*error = -EINVAL;
		return data && strcmp(data, "lowerdir=/lower,upperdir=/upper/upper,"
					    "workdir=/upper/work") == 0 &&
				       tree_find(&fake.place, "/upper/work", FOLLOW, NULL, error) ?
			       fake.image :
			       NULL;
	}
	return mount_device(source, type, data, error);
}

enum fake_ending fake_boot(void)
{
	static char name[] = "/init";
	char *argv[] = { name, "splash", NULL };
	char *envp[] = { "HOME=/", "TERM=linux", "RUST_LOG=debug", NULL };

	unsigned fail_at = fake.fail_at;

	/* As the kernel starts it. */
	fake.fail_at = 0;
	for (int i = 0; i < 3; i++)
		sys_open("/dev/console", O_RDWR, 0);
	fake.calls = 0;
	fake.fail_at = fail_at;
	if (setjmp(fake.back) == 0) {
		fake.status = stage0_main(2, argv, envp);
		fake.ending = FAKE_EXIT;
	}
	return fake.ending;
}

/* The gadget process itself is not part of these tests. */
_Noreturn void gadget_run(const struct gadget_options *options, int news)
{
	(void)options, (void)news;
	fake_end(FAKE_EXIT, 99);
}
