#include "block_root.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "files.h"
#include "sys.h"

#define LOWER "/lower"
#define UPPER "/upper"

/* Half of the memory: what the system writes is kept there. */
static const char UPPER_OPTIONS[] = "mode=0755,size=50%";

static int check_filesystem(const char *name)
{
	int result = kernel_knows_filesystem(name);

	if (result < 0)
		return because(result, NULL, "/proc/filesystems");
	if (result == 0)
		return because(-ENODEV, "its module is not in the list and it is not built in",
			       "file system %s", name);
	return 0;
}

int block_root_check(const struct settings *settings)
{
	int result = check_filesystem("overlay");

	return result < 0 ? result : check_filesystem(settings->rootfs);
}

static int make_upper(void)
{
	int result;

	if ((result = make_folder(UPPER, 0755)) < 0 ||
	    (result = sys_mount("fastboop", UPPER, "tmpfs", 0, UPPER_OPTIONS)) < 0 ||
	    (result = make_folder(UPPER "/upper", 0755)) < 0 ||
	    (result = make_folder(UPPER "/work", 0755)) < 0)
		return because(result, NULL, "tmpfs on " UPPER);
	return 0;
}

/*
 * A folder to mount on, for which nothing of the image is looked at: each look is a way to the host
 * and back. What the image has under this name is hidden, be it a link.
 */
static int make_mount_point(const char *path)
{
	int result = make_folder(path, 0755);

	if (result < 0)
		return because(result, NULL, "%s", path);
	result = sys_setxattr(path, "trusted.overlay.opaque", "y", 1);
	if (result < 0)
		return because(result, "does the kernel have CONFIG_TMPFS_XATTR? overlay needs it", "%s",
			       path);
	return 0;
}

int block_root_prepare(bool mount_points)
{
	int result = make_upper();

	for (unsigned i = 0; i < 4 && mount_points && result == 0; i++) {
		static const char *const FOLDERS[] = { UPPER "/upper/proc", UPPER "/upper/sys",
						       UPPER "/upper/dev", UPPER "/upper/run" };

		result = make_mount_point(FOLDERS[i]);
	}
	if (result == 0 && (result = make_folder(LOWER, 0755)) < 0)
		because(result, NULL, LOWER);
	if (result == 0 && (result = make_folder(NEW_ROOT, 0755)) < 0)
		because(result, NULL, NEW_ROOT);
	return result;
}

static int mount_lower(const char *type, const char *device)
{
	/* A journal cannot be replayed on a read-only device. */
	const char *options = strcmp(type, "ext4") == 0 ? "noload" : NULL;
	int result = sys_mount(device, LOWER, type, MS_RDONLY, options);

	if (result < 0)
		return because(result,
			       "see the kernel's lines above: is the first export an image of this "
			       "kind, and does the kernel know its features?",
			       "%s as %s", device, type);
	return 0;
}

int block_root_mount(const struct settings *settings, const char *device)
{
	int result = mount_lower(settings->rootfs, device);

	if (result < 0)
		return result;
	result = sys_mount("fastboop", NEW_ROOT, "overlay", 0,
			   "lowerdir=" LOWER ",upperdir=" UPPER "/upper,workdir=" UPPER "/work");
	return result < 0 ? because(result, "see the kernel's lines above", "overlay on " NEW_ROOT) :
			    0;
}
