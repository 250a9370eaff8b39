/* Mounts and roots. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "fake_files.h"
#include "sys.h"

int sys_mount(const char *source, const char *target, const char *type, unsigned long flags,
	      const char *data)
{
	char line[1024], from[4096];
	int error;
	struct node *at = tree_find(&fake.place, target, FOLLOW, NULL, &error), *tree;

	COUNT("mount", target);
	if (!at)
		return error;
	tree_path(&fake.place, at, from, sizeof(from));
	snprintf(line, sizeof(line), "%s %s %s %lx %s\n", source ? source : "-", from,
		 type ? type : "-", flags, data ? data : "-");
	fake_append(fake.mounts, sizeof(fake.mounts), line, strlen(line));
	if (flags & (MS_PRIVATE | MS_REC) && !(flags & MS_BIND))
		return 0;
	if (!S_ISDIR(at->mode))
		return -ENOTDIR;
	if (flags & (MS_BIND | MS_MOVE)) {
		tree = tree_find(&fake.place, source, FOLLOW, NULL, &error);
		if (!tree)
			return error;
		/* A tree of its own would show the same. */
		if (flags & MS_BIND) {
			if (tree != at)
				at->mounted = tree;
			if (tree->parent)
				tree->covers = at;
			return 0;
		}
		if (!tree->covers)
			return -EINVAL;
		tree->covers->mounted = NULL;
		tree->covers = NULL;
		return 0;
	}
	tree = fake_mount_tree(source, type, data, &error);
	if (!tree)
		return error;
	at->mounted = tree;
	tree->covers = at;
	return 0;
}

int sys_chroot(const char *path)
{
	int error;
	struct node *node = tree_find(&fake.place, path, FOLLOW, NULL, &error);

	COUNT("chroot", path);
	if (!node)
		return error;
	fake.place.root = node;
	return 0;
}

int sys_chdir(const char *path)
{
	int error;
	struct node *node = tree_find(&fake.place, path, FOLLOW, NULL, &error);

	COUNT("chdir", path);
	if (!node)
		return error;
	fake.place.current = node;
	return 0;
}

