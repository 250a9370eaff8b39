#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"
#include "text.h"

int path_format(char path[PATH_SIZE], const char *format, ...)
{
	va_list list;
	size_t length;

	va_start(list, format);
	length = text_format_list(path, PATH_SIZE, format, list);
	va_end(list);
	return length < PATH_SIZE ? 0 : -ENAMETOOLONG;
}

/* Reads until the end or until `size` bytes are there. */
static ssize_t read_up_to(int fd, char *into, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = sys_read(fd, into + length, size - length);

		if (got == -EINTR)
			continue;
		if (got < 0)
			return got;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	return (ssize_t)length;
}

ssize_t read_file(const char *path, char *into, size_t size)
{
	int fd = sys_open(path, O_RDONLY, 0);
	ssize_t length;

	if (fd < 0)
		return fd;
	length = read_up_to(fd, into, size);
	sys_close(fd);
	if (length < 0)
		return length;
	if ((size_t)length == size)
		return -EFBIG;
	into[length] = '\0';
	return length;
}

ssize_t read_file_alloc(const char *path, size_t most, char **into)
{
	struct stat about;
	ssize_t length;
	int result = sys_stat(path, &about);

	if (result < 0)
		return result;
	if (!S_ISREG(about.st_mode))
		return -EINVAL;
	if ((uint64_t)about.st_size > most)
		return -EFBIG;
	*into = malloc((size_t)about.st_size + 1);
	if (!*into)
		return -ENOMEM;
	length = read_file(path, *into, (size_t)about.st_size + 1);
	if (length < 0) {
		free(*into);
		*into = NULL;
	}
	return length;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

ssize_t read_text(const char *path, char *into, size_t size)
{
	ssize_t length = read_file(path, into, size);
	ssize_t start = 0;

	if (length < 0)
		return length;
	while (length > 0 && is_space(into[length - 1]))
		length--;
	while (start < length && is_space(into[start]))
		start++;
	memmove(into, into + start, (size_t)(length - start));
	into[length - start] = '\0';
	return length - start;
}

static int write_all(int fd, const char *text)
{
	size_t size = strlen(text);
	ssize_t put = sys_write(fd, text, size);
	int closed = sys_close(fd);

	if (put < 0)
		return (int)put;
	if ((size_t)put != size)
		return -EIO;
	return closed;
}

int write_existing(const char *path, const char *text)
{
	int fd = sys_open(path, O_WRONLY, 0);

	return fd < 0 ? fd : write_all(fd, text);
}

int write_new(const char *path, const char *text, mode_t mode)
{
	int fd = sys_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);

	return fd < 0 ? fd : write_all(fd, text);
}

int make_folder(const char *path, mode_t mode)
{
	int result = sys_mkdir(path, mode);

	return result == -EEXIST ? 0 : result;
}

int is_folder(const char *path)
{
	struct stat about;
	int result = sys_lstat(path, &about);

	if (result < 0)
		return result;
	return S_ISDIR(about.st_mode) ? 0 : -ENOTDIR;
}

static int add_name(struct names *names, const char *name)
{
	char **list;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	list = realloc(names->list, (names->count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	names->list = list;
	list[names->count] = strdup(name);
	if (!list[names->count])
		return -ENOMEM;
	names->count++;
	return 0;
}

/* Adds the entries of one answer of getdents64(2). */
static int add_names(struct names *names, const char *from, size_t size)
{
	int result = 0;

	for (size_t at = 0; at < size && result == 0;) {
		const struct linux_dirent64 *entry = (const void *)(from + at);

		result = add_name(names, entry->d_name);
		at += entry->d_reclen;
	}
	return result;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int list_folder(const char *path, struct names *into)
{
	_Alignas(struct linux_dirent64) char entries[2048];
	int fd = sys_open(path, O_RDONLY | O_DIRECTORY, 0);
	ssize_t size = 0;
	int result = 0;

	into->list = NULL;
	into->count = 0;
	if (fd < 0)
		return fd;
	while (result == 0 && (size = sys_getdents(fd, entries, sizeof(entries))) > 0)
		result = add_names(into, entries, (size_t)size);
	sys_close(fd);
	if (size < 0)
		result = (int)size;
	if (result < 0)
		free_names(into);
	else if (into->count > 0)
		qsort(into->list, into->count, sizeof(*into->list), compare_names);
	return result;
}

void free_names(struct names *names)
{
	for (unsigned i = 0; i < names->count; i++)
		free(names->list[i]);
	free(names->list);
	names->list = NULL;
	names->count = 0;
}

int kernel_knows_filesystem(const char *name)
{
	char list[4096];
	size_t length = strlen(name);
	ssize_t size = read_file("/proc/filesystems", list, sizeof(list));

	if (size < 0)
		return (int)size;
	/* Lines are "nodev\tNAME" or "\tNAME". */
	for (char *at = strchr(list, '\t'); at; at = strchr(at + 1, '\t')) {
		if (strncmp(at + 1, name, length) == 0 && at[1 + length] == '\n')
			return 1;
	}
	return 0;
}
