#include "switch_root.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>

#include "failure.h"
#include "files.h"
#include "log.h"
#include "sys.h"
#include "text.h"

static int bind_one(const char *root, const char *name, unsigned long flags)
{
	char path[PATH_SIZE], source[16];
	int result = path_format(path, "%s/%s", root, name);

	text_format(source, sizeof(source), "/%s", name);
	if (result == 0)
		result = make_folder(path, 0755);
	/* A link would lead into the initramfs. */
	if (result == 0)
		result = is_folder(path);
	if (result == 0)
		result = sys_mount(source, path, NULL, MS_BIND | flags, NULL);
	return result < 0 ? because(result, "the image must have a folder for it", "%s", path) : 0;
}

int switch_root_bind(const char *root)
{
	int result;

	if ((result = bind_one(root, "proc", MS_REC)) < 0 ||
	    (result = bind_one(root, "sys", MS_REC)) < 0 ||
	    (result = bind_one(root, "dev", MS_REC)) < 0 ||
	    (result = bind_one(root, "run", 0)) < 0)
		return result;
	return 0;
}

int switch_root_check_initramfs(void)
{
	long type = sys_statfs_type("/");

	if (type < 0 || type == RAMFS_MAGIC || type == TMPFS_MAGIC)
		return type < 0 ? (int)type : 0;
	return because(-EPERM, "stage0 is for an initramfs only, and would delete what is there",
		       "its file system is of type 0x%lx", (unsigned long)type);
}

/* A walk over the initramfs. */
struct walk {
	dev_t device;
	char path[PATH_SIZE];
	size_t length;
	int deleted;
};

static void delete_below(struct walk *walk);

static void delete_entry(struct walk *walk, const char *name)
{
	size_t before = walk->length, added = strlen(name) + 1;
	struct stat about;
	int result;

	if (before + added >= sizeof(walk->path))
		return;
	walk->path[before] = '/';
	memcpy(walk->path + before + 1, name, added);
	walk->length = before + added;
	if (sys_lstat(walk->path, &about) == 0 && about.st_dev == walk->device) {
		if (S_ISDIR(about.st_mode)) {
			delete_below(walk);
			result = sys_rmdir(walk->path);
		} else {
			result = sys_unlink(walk->path);
		}
		walk->deleted += result == 0;
	}
	walk->path[before] = '\0';
	walk->length = before;
}

static void delete_below(struct walk *walk)
{
	struct names names;

	if (list_folder(walk->length == 0 ? "/" : walk->path, &names) < 0)
		return;
	for (unsigned i = 0; i < names.count; i++)
		delete_entry(walk, names.list[i]);
	free_names(&names);
}

int switch_root_free_initramfs(void)
{
	struct walk walk = { .length = 0 };
	struct stat about;
	int result = sys_lstat("/", &about);

	if (result < 0)
		return result;
	walk.device = about.st_dev;
	delete_below(&walk);
	return walk.deleted;
}

int switch_root_enter(const char *folder)
{
	int result;

	if ((result = sys_chdir(folder)) < 0 ||
	    (result = sys_mount(".", "/", NULL, MS_MOVE, NULL)) < 0 ||
	    (result = sys_chroot(".")) < 0 || (result = sys_chdir("/")) < 0)
		return because(result, NULL, "%s", folder);
	return 0;
}
