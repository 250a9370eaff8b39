/* Images on a phone in memory that do not boot: another file system, no system, a wrong deployment. */
#include "pid1_fails.h"

static struct node *find_init(void)
{
	struct node *lib = node_child(node_child(fake.image, "usr"), "lib");

	return node_child(node_child(lib, "systemd"), "systemd");
}

static void wrong_image(void)
{
	struct node *init;

	fake_phone();
	fake.image_kind = "ext4";
	fails("Cannot mount the root: /dev/ublkb0 as erofs: EINVAL, refused as invalid; see the kernel's "
	      "lines above: is the first export an image of this kind, and does the kernel know its "
	      "features?");
	fake_phone();
	node_remove(find_init());
	fails("Cannot start the system: /lib/systemd/systemd, /usr/lib/systemd/systemd or /sbin/init: "
	      "ENOENT, no such file or folder; is this image a system that boots?");
	fake_phone();
	init = find_init();
	node_set_text(init, "no loader", 9);
	fails("Cannot start the system: /lib/systemd/systemd: ENOENT, no such file or folder; the "
	      "program that loads it is missing in the image");
	fake_phone();
	init = find_init();
	node_set_text(init, "other", 5);
	fails("Cannot start the system: /lib/systemd/systemd: ENOEXEC, not a program or module for this "
	      "kernel; is the image made for this processor?");
	fake_phone();
	node_remove(node_child(fake.image, "dev"));
	tree_make(fake.image, "dev", "-> /etc");
	fails("Cannot bind the virtual file systems: /newroot/dev: ENOTDIR, not a folder; the image must "
	      "have a folder for it");
}

static void bad_ostree(const char *setting, const char *line)
{
	fake_phone();
	fake_ostree();
	if (setting)
		fake_setting("ostree", setting);
	tree_make(fake.image, "ostree/boot.1.1/debian/123/1", "-> ../../../../dev");
	tree_make(fake.image, "ostree/boot.1.1/debian/123/2", "-> ../../../deploy/debian/deploy/gone.0");
	tree_make(fake.image, "ostree/boot.1.1/debian/123/3", "-> ../../../deploy/debian/var");
	tree_make(fake.image, "ostree/boot.1.1/debian/123/4",
		  "-> ../../../deploy/debian/deploy/abc.0/usr/lib/systemd/systemd");
	tree_make(fake.image, "ostree/deploy/other/deploy/abc.0", NULL);
	tree_make(fake.image, "ostree/boot.1.1/debian/123/5", "-> ../../../deploy/other/deploy/abc.0");
	tree_make(fake.image, "ostree/boot.1.1/debian/123/6", "-> /proc");
	tree_make(fake.image, "ostree/boot.1.1/debian/123/7",
		  "-> ../../../deploy/debian/deploy/abc.0/usr");
	fails(line);
}

#define FIND "Cannot find the root: "
#define LINK "; expected a link as /ostree/boot.1/OS/CHECKSUM/0"
#define TARGET "; expected it to lead to /ostree/deploy/OS/deploy/NAME"
#define LINKS "/ostree/boot.1/debian/123"

static void ostree(void)
{
	bad_ostree("/../x", FIND "\"..\" in the setting ostree: EINVAL, refused as invalid" LINK);
	bad_ostree("/./", FIND "the setting ostree names nothing: EINVAL, refused as invalid" LINK);
	bad_ostree(LINKS, FIND LINKS " is no link: EINVAL, refused as invalid" LINK);
	bad_ostree(LINKS "/9", FIND LINKS "/9: ENOENT, no such file or folder" LINK);
	bad_ostree(LINKS "/1", FIND LINKS "/1 leads to /dev: EINVAL, refused as invalid" TARGET);
	bad_ostree(LINKS "/2", FIND "the folder that " LINKS
				    "/2 leads to: ENOENT, no such file or folder" TARGET);
	bad_ostree(LINKS "/3", FIND LINKS
		   "/3 leads to /ostree/deploy/debian/var: EINVAL, refused as invalid" TARGET);
	bad_ostree(LINKS "/4", FIND "the folder that " LINKS "/4 leads to: ENOTDIR, not a folder" TARGET);
	bad_ostree(LINKS "/5", FIND "/ostree/deploy/other/var: ENOENT, no such file or folder; the "
				    "image's state root is incomplete");
	bad_ostree(LINKS "/6", FIND LINKS "/6 leads out of the image, to /proc: EXDEV, on another file "
					  "system" TARGET);
	bad_ostree(LINKS "/7", FIND LINKS "/7 leads to /ostree/deploy/debian/deploy/abc.0/usr: EINVAL, "
					  "refused as invalid" TARGET);
}

static void ostree_without_var(void)
{
	struct node *node;

	fake_phone();
	fake_ostree();
	node = node_child(node_child(node_child(fake.image, "ostree"), "deploy"), "debian");
	node = node_child(node_child(node, "deploy"), "abc.0");
	node_remove(node_child(node, "var"));
	fails("Cannot switch to the deployment: /ostree/deploy/debian/var on "
	      "/ostree/deploy/debian/deploy/abc.0/var: ENOENT, no such file or folder");
}

int main(void)
{
	static const struct test TESTS[] = {
		{ "an image of another kind, without init or with a link for /dev is refused",
		  wrong_image },
		{ "each way in which an OSTree link is wrong has its message", ostree },
		{ "a deployment without var is refused", ostree_without_var },
	};

	return run_tests(TESTS, sizeof(TESTS) / sizeof(TESTS[0]));
}
