/* Files, folders and mounts. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "fake_files.h"
#include "sys.h"

struct fake fake;
struct open_file files[FILES];

void fake_reset_files(void)
{
	memset(files, 0, sizeof(files));
}

void fake_append(char *into, size_t size, const char *from, size_t length)
{
	size_t used = strlen(into);

	if (used + length + 1 > size)
		length = size - used - 1;
	memcpy(into + used, from, length);
	into[used + length] = '\0';
}

_Noreturn void fake_end(enum fake_ending ending, int status)
{
	fake.ending = ending;
	fake.status = status;
	longjmp(fake.back, 1);
}

int fake_count(const char *call, const char *object)
{
	if (++fake.calls != fake.fail_at)
		return 0;
	snprintf(fake.failed_call, sizeof(fake.failed_call), "%s %s", call, object ? object : "");
	fake.failed_excused = fake.excuse && fake.excuse(fake.failed_call);
	return fake.fail_with;
}

const char *fake_name(int fd, char into[4096])
{
	static const char *const KINDS[] = { "closed", "",	 "news",    "life",
					    "write",  "signals", "uevents" };

	if (fd < 0 || fd >= FILES)
		return "none";
	if (files[fd].kind != FILE_NODE)
		return KINDS[files[fd].kind];
	tree_path(&fake.place, files[fd].node, into, 4096);
	return into;
}

int fake_new_file(enum file_kind kind, struct node *node)
{
	for (int fd = 0; fd < FILES; fd++) {
		if (files[fd].kind != CLOSED)
			continue;
		files[fd] = (struct open_file){ .kind = kind, .node = node };
		return fd;
	}
	return -EMFILE;
}

struct open_file *fake_file(int fd)
{
	return fd >= 0 && fd < FILES && files[fd].kind != CLOSED ? &files[fd] : NULL;
}

int sys_open(const char *path, int flags, mode_t mode)
{
	int error;
	char last[FAKE_NAME];
	struct node *folder, *node = tree_find(&fake.place, path, FOLLOW, NULL, &error);

	COUNT("open", path);
	if (!node && error == -ENOENT && (flags & O_CREAT)) {
		folder = tree_find(&fake.place, path, PARENT, last, &error);
		if (!folder)
			return error;
		if (folder->filesystem->read_only || folder->filesystem->frozen)
			return -EROFS;
		node = node_add(folder, S_IFREG | mode, last, "");
	}
	if (!node)
		return error;
	if ((flags & O_DIRECTORY) && !S_ISDIR(node->mode))
		return -ENOTDIR;
	if (S_ISDIR(node->mode) && (flags & O_ACCMODE) != O_RDONLY)
		return -EISDIR;
	if (flags & O_TRUNC)
		node_set_text(node, "", 0);
	error = fake_new_file(FILE_NODE, node);
	if (error >= 0)
		files[error].writable = (flags & O_ACCMODE) != O_RDONLY;
	return error;
}

int sys_close(int fd)
{
	char name[4096];
	struct open_file *file = fake_file(fd);
	int failed = fake_count("close", fake_name(fd, name));

	if (!file)
		return -EBADF;
	file->kind = CLOSED;
	return failed;
}

ssize_t sys_read(int fd, void *into, size_t size)
{
	char name[4096];
	struct open_file *file = fake_file(fd);
	size_t left;

	COUNT("read", fake_name(fd, name));
	if (!file)
		return -EBADF;
	if (file->kind != FILE_NODE)
		return fake_read_queue(file, into, size);
	if (S_ISDIR(file->node->mode))
		return -EISDIR;
	left = file->node->size > file->offset ? file->node->size - file->offset : 0;
	if (size > left)
		size = left;
	if (size > 0)
		memcpy(into, file->node->text + file->offset, size);
	file->offset += size;
	return (ssize_t)size;
}

ssize_t sys_write(int fd, const void *from, size_t size)
{
	char name[4096];
	struct open_file *file = fake_file(fd);

	COUNT("write", fake_name(fd, name));
	if (!file || !file->writable)
		return -EBADF;
	if (strcmp(file->node->name, "kmsg") == 0)
		fake_append(fake.kmsg, sizeof(fake.kmsg), from, size);
	else if (strcmp(file->node->name, "console") == 0)
		fake_append(fake.console, sizeof(fake.console), from, size);
	else {
		node_set_text(file->node, from, size);
		if (file->node->filesystem->written) {
			int result = file->node->filesystem->written(file->node);

			if (result < 0)
				return result;
		}
	}
	return (ssize_t)size;
}

static int stat_node(struct node *node, int error, struct stat *into)
{
	if (!node)
		return error;
	memset(into, 0, sizeof(*into));
	into->st_mode = node->mode;
	into->st_dev = node->filesystem->device;
	into->st_size = (off_t)node->size;
	return 0;
}

int sys_stat(const char *path, struct stat *into)
{
	int error;
	struct node *node = tree_find(&fake.place, path, FOLLOW, NULL, &error);

	COUNT("stat", path);
	return stat_node(node, error, into);
}

int sys_lstat(const char *path, struct stat *into)
{
	int error;
	struct node *node = tree_find(&fake.place, path, 0, NULL, &error);

	COUNT("lstat", path);
	return stat_node(node, error, into);
}

long sys_statfs_type(const char *path)
{
	COUNT("statfs", path);
	return fake.root_type;
}

ssize_t sys_readlink(const char *path, char *into, size_t size)
{
	static const char PROC[] = "/proc/self/fd/";
	char text[4096];
	struct open_file *file;

	COUNT("readlink", PROC);
	if (strncmp(path, PROC, strlen(PROC)) != 0)
		return -EINVAL;
	file = fake_file(atoi(path + strlen(PROC)));
	if (!file)
		return -ENOENT;
	tree_path(&fake.place, file->node, text, sizeof(text));
	if (strlen(text) < size)
		size = strlen(text);
	memcpy(into, text, size);
	return (ssize_t)size;
}

/* The folder in which a new entry may be made. */
static struct node *folder_for(const char *path, char last[FAKE_NAME], int *error)
{
	struct node *folder = tree_find(&fake.place, path, PARENT, last, error);

	if (!folder)
		return NULL;
	*error = node_child(folder, last)      ? -EEXIST :
		 !S_ISDIR(folder->mode)	       ? -ENOTDIR :
		 folder->filesystem->read_only ? -EROFS :
		 folder->filesystem->frozen    ? -EPERM :
						 0;
	return *error == 0 ? folder : NULL;
}

int sys_mkdir(const char *path, mode_t mode)
{
	char last[FAKE_NAME];
	int error;
	struct node *folder = folder_for(path, last, &error), *made;

	COUNT("mkdir", path);
	if (!folder)
		return error;
	made = node_add(folder, S_IFDIR | mode, last, NULL);
	if (folder->filesystem->made_folder)
		folder->filesystem->made_folder(made);
	return 0;
}

int sys_symlink(const char *target, const char *path)
{
	char last[FAKE_NAME];
	int error;
	struct node *folder = folder_for(path, last, &error);

	COUNT("symlink", path);
	if (!folder)
		return error;
	node_add(folder, S_IFLNK | 0777, last, target);
	return 0;
}

static int remove_entry(const char *path, bool folder)
{
	int error;
	struct node *node = tree_find(&fake.place, path, 0, NULL, &error);

	if (!node)
		return error;
	if (folder != S_ISDIR(node->mode))
		return folder ? -ENOTDIR : -EISDIR;
	if (folder && node->count > 0)
		return -ENOTEMPTY;
	if (node->filesystem->read_only)
		return -EROFS;
	return node_remove(node);
}

int sys_rmdir(const char *path)
{
	COUNT("rmdir", path);
	return remove_entry(path, true);
}

int sys_unlink(const char *path)
{
	COUNT("unlink", path);
	return remove_entry(path, false);
}

ssize_t sys_getdents(int fd, void *into, size_t size)
{
	char path[4096];
	struct open_file *file = fake_file(fd);
	struct linux_dirent64 *entry = into;
	const char *name;

	COUNT("getdents", fake_name(fd, path));
	if (!file || !S_ISDIR(file->node->mode))
		return -ENOTDIR;
	/* One at a time, the last made first: the order says nothing. */
	if (file->entry == file->node->count + 2)
		return 0;
	name = file->entry == 0 ? "." :
	       file->entry == 1 ? ".." :
				  file->node->entries[file->node->count + 1 - file->entry]->name;
	file->entry++;
	memset(entry, 0, sizeof(*entry));
	entry->d_reclen = (unsigned short)((sizeof(*entry) + strlen(name) + 8) & ~7u);
	if (entry->d_reclen > size)
		return -EINVAL;
	strcpy(entry->d_name, name);
	return entry->d_reclen;
}


int sys_setxattr(const char *path, const char *name, const void *value, size_t size)
{
	int error;
	struct node *node = tree_find(&fake.place, path, FOLLOW, NULL, &error);

	COUNT("setxattr", path);
	if (!node)
		return error;
	node->opaque = strcmp(name, "trusted.overlay.opaque") == 0 && size == 1 &&
		       memcmp(value, "y", 1) == 0;
	return 0;
}
