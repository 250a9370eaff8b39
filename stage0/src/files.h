/* Whole files and folders, over the calls of sys.h. All give a negative errno when they fail. */
#ifndef STAGE0_FILES_H
#define STAGE0_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Bytes of a path with its NUL, as the kernel limits it. */
enum { PATH_SIZE = 4096 };

/* A path from pieces, as text_format(); -ENAMETOOLONG when it is cut. */
int path_format(char path[PATH_SIZE], const char *format, ...);

/*
 * Reads a whole file and puts a NUL behind it.
 *
 * @return Its length, at most `size` - 1; -EFBIG when it is longer.
 */
ssize_t read_file(const char *path, char *into, size_t size);

/* The same into memory of its own, which the caller frees; files above `most` bytes are -EFBIG. */
ssize_t read_file_alloc(const char *path, size_t most, char **into);

/* As read_file(), without the white space around it. `into` begins with the text. */
ssize_t read_text(const char *path, char *into, size_t size);

/* Writes `text` in one go into what is there, as files of the kernel want it. */
int write_existing(const char *path, const char *text);

/* Makes a file of this mode that holds `text`; one that is there is emptied first. */
int write_new(const char *path, const char *text, mode_t mode);

/* As mkdir(2), but fine when the folder is there. */
int make_folder(const char *path, mode_t mode);

/* 0 when there is a folder with this very name: a link to one is -ENOTDIR. */
int is_folder(const char *path);

/* Sorted names in a folder, without "." and "..". */
struct names {
	char **list;
	unsigned count;
};

int list_folder(const char *path, struct names *into);
void free_names(struct names *names);

/* Does a line of /proc/filesystems name it? Negative when that cannot be read. */
int kernel_knows_filesystem(const char *name);

#endif
