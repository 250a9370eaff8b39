/* What the guest can say about the system it finds itself in. */
#define _GNU_SOURCE
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, SYSLOG_READ_ALL = 3, SYSLOG_SIZE = 10 };

void read_text(const char *path, char *into, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t count = fd < 0 ? -1 : read(fd, into, size - 1);

	if (fd >= 0)
		close(fd);
	into[count < 0 ? 0 : count] = '\0';
}

int do_cat(int count, char **words)
{
	char line[900];
	FILE *file;

	if (count != 2)
		return EINVAL;
	file = fopen(words[1], "re");
	if (file == NULL)
		return errno;
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		say("| %s", line);
	}
	fclose(file);
	return 0;
}

int do_list(int count, char **words)
{
	struct dirent **names;
	int found;

	if (count != 2)
		return EINVAL;
	found = scandir(words[1], &names, NULL, alphasort);
	if (found < 0)
		return errno;
	for (int i = 0; i < found; i++) {
		if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0)
			say("| %s", names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return 0;
}

static const char *type_of(mode_t mode)
{
	return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "symlink" :
	       S_ISBLK(mode) ? "block-device" : S_ISCHR(mode) ? "character-device" : "other";
}

int do_stat(int count, char **words)
{
	struct stat facts;

	for (int i = 1; i < count; i++) {
		if (lstat(words[i], &facts) < 0)
			say("stat %s %s", words[i], strerrorname_np(errno));
		else
			say("stat %s %s mode=%04o size=%llu", words[i], type_of(facts.st_mode),
			    (unsigned)facts.st_mode & 07777, (unsigned long long)facts.st_size);
	}
	return 0;
}

int do_link(int count, char **words)
{
	char target[512];
	ssize_t size;

	if (count != 2)
		return EINVAL;
	size = readlink(words[1], target, sizeof(target) - 1);
	if (size < 0)
		return errno;
	target[size] = '\0';
	say("link %s %s", words[1], target);
	return 0;
}

static int sha_of(const char *path, char hex[65])
{
	static __thread uint8_t chunk[CHUNK];
	struct sha256 hash;
	ssize_t size;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	sha256_start(&hash);
	while ((size = read(fd, chunk, sizeof(chunk))) > 0)
		sha256_add(&hash, chunk, (size_t)size);
	close(fd);
	if (size < 0)
		return errno;
	sha256_end(&hash, hex);
	return 0;
}

int do_sha(int count, char **words)
{
	char hex[65];

	for (int i = 1; i < count; i++) {
		int error = sha_of(words[i], hex);
		if (error != 0)
			return error;
		say("%s  %s", hex, words[i]);
	}
	return 0;
}

/* Value of a line "NAME:   VALUE" of /proc/PID/status; "-" when there is none. */
static void status_value(const char *status, const char *name, char *into, size_t size)
{
	const char *line = strstr(status, name);

	snprintf(into, size, "-");
	if (line == NULL)
		return;
	line += strlen(name);
	line += strspn(line, ": \t");
	snprintf(into, size, "%.*s", (int)strcspn(line, " \t\n"), line);
}

int do_processes(int count, char **words)
{
	struct dirent *entry;
	DIR *folder = opendir("/proc");

	(void)count, (void)words;
	if (folder == NULL)
		return errno;
	while ((entry = readdir(folder)) != NULL) {
		char path[300], status[4096], first[128], oom[16];
		char parent[16], rss[16], file[16], locked[16], threads[16], name[32];

		if (strspn(entry->d_name, "0123456789") == 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
		read_text(path, first, sizeof(first));
		if (first[0] != '@')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/oom_score_adj", entry->d_name);
		read_text(path, oom, sizeof(oom));
		oom[strcspn(oom, "\n")] = '\0';
		snprintf(path, sizeof(path), "/proc/%s/status", entry->d_name);
		read_text(path, status, sizeof(status));
		status_value(status, "Name", name, sizeof(name));
		status_value(status, "\nPPid", parent, sizeof(parent));
		status_value(status, "\nVmRSS", rss, sizeof(rss));
		status_value(status, "\nRssFile", file, sizeof(file));
		status_value(status, "\nVmLck", locked, sizeof(locked));
		status_value(status, "\nThreads", threads, sizeof(threads));
		say("process pid=%s ppid=%s name=%s argv0=%s rss_kib=%s file_kib=%s locked_kib=%s "
		    "threads=%s oom=%s",
		    entry->d_name, parent, name, first, rss, file, locked, threads, oom);
	}
	closedir(folder);
	return 0;
}

int do_log(int count, char **words)
{
	int size = klogctl(SYSLOG_SIZE, NULL, 0);
	char *text = size > 0 ? malloc((size_t)size + 1) : NULL, *rest;

	if (text == NULL)
		return ENOMEM;
	size = klogctl(SYSLOG_READ_ALL, text, size);
	text[size < 0 ? 0 : size] = '\0';
	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		if (count < 2 || strstr(line, words[1]) != NULL)
			say("| %s", line);
	free(text);
	return 0;
}

int do_device(int count, char **words)
{
	static const char zeros[512];
	uint64_t size = 0;
	int read_only = -1, fd, error = 0;

	if (count != 2)
		return EINVAL;
	fd = open(words[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	ioctl(fd, BLKGETSIZE64, &size);
	ioctl(fd, BLKROGET, &read_only);
	close(fd);
	/* opening a read-only device to write is no error, writing to it is */
	fd = open(words[1], O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, zeros, sizeof(zeros), 0) < 0 || fsync(fd) < 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	say("device %s size=%llu read_only=%d write=%s", words[1], (unsigned long long)size,
	    read_only, error == 0 ? "ok" : strerrorname_np(error));
	return 0;
}
