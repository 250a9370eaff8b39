/*
 * Load on the storage. Where content is compared, it is the pattern that scripts/fixtures/guest.ts
 * makes: the 32-bit little-endian word number i is i * 0x9e3779b1, so no two words of 16 GiB are alike.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_THREADS = 64, PAGE = 4096, DEFAULT_MOST_KIB = 1024 };
#define PATTERN 0x9e3779b1u

struct load {
	int fd;
	uint64_t pages; /* of the file */
	uint32_t most;	/* pages of a read */
	uint64_t wanted;
	atomic_ullong started, ended, bytes, wrong, errors;
};

struct reader {
	struct load *load;
	uint64_t random;
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Words that are not those of the pattern from byte `offset` on. */
static uint64_t count_wrong(const uint32_t *words, size_t size, uint64_t offset)
{
	uint32_t value = (uint32_t)(offset / 4) * PATTERN;
	uint64_t wrong = 0;

	for (size_t i = 0; i < size / 4; i++, value += PATTERN)
		wrong += words[i] != value;
	return wrong;
}

static void read_once(struct load *load, uint64_t *random, uint32_t *buffer)
{
	uint64_t pages = 1 + next_random(random) % load->most;
	uint64_t page = next_random(random) % load->pages;
	size_t size;
	ssize_t count;

	if (pages > load->pages - page)
		pages = load->pages - page;
	size = pages * PAGE;
	memset(buffer, 0, size);
	count = pread(load->fd, buffer, size, (off_t)(page * PAGE));
	if (count != (ssize_t)size) {
		say("read of %zu bytes at %llu gave %zd %s", size,
		    (unsigned long long)(page * PAGE), count,
		    count < 0 ? strerrorname_np(errno) : "");
		load->errors++;
		return;
	}
	uint64_t wrong = count_wrong(buffer, size, page * PAGE);
	if (wrong > 0)
		say("read of %zu bytes at %llu has %llu wrong words, the first is %08x", size,
		    (unsigned long long)(page * PAGE), (unsigned long long)wrong, buffer[0]);
	load->wrong += wrong;
	load->bytes += size;
}

static void *run_reader(void *of)
{
	struct reader *reader = of;
	struct load *load = reader->load;
	uint32_t *buffer = aligned_alloc(PAGE, (size_t)load->most * PAGE);

	if (buffer == NULL) {
		load->errors++;
		return NULL;
	}
	while (load->started++ < load->wanted) {
		read_once(load, &reader->random, buffer);
		uint64_t ended = ++load->ended;
		if (load->wanted >= 10 && ended % (load->wanted / 10) == 0)
			say("reads %llu of %llu", (unsigned long long)ended,
			    (unsigned long long)load->wanted);
	}
	free(buffer);
	return NULL;
}

int do_readers(int count, char **words)
{
	struct load load = { 0 };
	struct reader readers[MOST_THREADS];
	pthread_t threads[MOST_THREADS];
	int wanted = count < 4 ? 0 : atoi(words[1]), started = 0;
	uint64_t start = now_ms();

	if (wanted < 1 || wanted > MOST_THREADS)
		return EINVAL;
	load.wanted = strtoull(words[2], NULL, 10);
	load.most = (uint32_t)(count > 4 ? atoi(words[4]) : DEFAULT_MOST_KIB) * 1024 / PAGE;
	load.fd = open(words[3], O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (load.fd < 0)
		return errno;
	load.pages = (uint64_t)lseek(load.fd, 0, SEEK_END) / PAGE;
	if (load.pages == 0 || load.most == 0) {
		close(load.fd);
		return EINVAL;
	}
	for (; started < wanted; started++) {
		readers[started] = (struct reader){ &load, 88172645463325252u + (unsigned)started };
		if (pthread_create(&threads[started], NULL, run_reader, &readers[started]) != 0)
			break;
	}
	for (int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	close(load.fd);
	say("readers threads=%d reads=%llu bytes=%llu wrong=%llu errors=%llu ms=%llu", started,
	    (unsigned long long)load.ended, (unsigned long long)load.bytes,
	    (unsigned long long)load.wrong, (unsigned long long)load.errors,
	    (unsigned long long)(now_ms() - start));
	return started == wanted ? 0 : EAGAIN;
}

int do_read(int count, char **words)
{
	uint64_t offset = count < 4 ? 0 : strtoull(words[2], NULL, 10);
	size_t size = count < 4 ? 0 : (size_t)atoi(words[3]) * 1024;
	uint32_t *buffer = size > 0 && size % PAGE == 0 ? aligned_alloc(PAGE, size) : NULL;
	int fd = buffer == NULL ? -1 : open(words[1], O_RDONLY | O_DIRECT | O_CLOEXEC);
	int error = 0;

	if (fd < 0) {
		free(buffer);
		return buffer == NULL ? EINVAL : errno;
	}
	ssize_t got = pread(fd, buffer, size, (off_t)offset);
	if (got < 0)
		error = errno;
	else
		say("read bytes=%zd wrong=%llu", got,
		    (unsigned long long)count_wrong(buffer, (size_t)got, offset));
	close(fd);
	free(buffer);
	return error;
}

int do_sequential(int count, char **words)
{
	size_t size = count < 4 ? 0 : (size_t)atoi(words[2]) * 1024;
	uint64_t wanted = count < 4 ? 0 : (uint64_t)atoi(words[3]) << 20, done = 0;
	int direct = count > 4 ? O_DIRECT : 0, error = 0;
	uint8_t *buffer = size > 0 && size % PAGE == 0 ? aligned_alloc(PAGE, size) : NULL;
	int fd = buffer == NULL ? -1 : open(words[1], O_RDONLY | O_CLOEXEC | direct);
	uint64_t start = now_ms();
	ssize_t part = 1;

	if (fd < 0) {
		free(buffer);
		return buffer == NULL ? EINVAL : errno;
	}
	while (done < wanted && (part = read(fd, buffer, size)) > 0)
		done += (uint64_t)part;
	if (part < 0)
		error = errno;
	uint64_t ms = now_ms() - start;
	say("seq bytes=%llu ms=%llu kib_per_s=%llu", (unsigned long long)done,
	    (unsigned long long)ms, (unsigned long long)(ms == 0 ? 0 : done * 1000 / 1024 / ms));
	close(fd);
	free(buffer);
	return error;
}

int do_drop(int count, char **words)
{
	int fd;
	ssize_t size;

	(void)count, (void)words;
	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	size = write(fd, "3\n", 2);
	close(fd);
	return size == 2 ? 0 : EIO;
}

int do_write(int count, char **words)
{
	uint32_t words_of_page[PAGE / 4];
	uint64_t pages = count != 3 ? 0 : (uint64_t)atoi(words[2]) * 1024 / PAGE, wrong = 0;
	int fd = pages == 0 ? -1 : open(words[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return pages == 0 ? EINVAL : errno;
	for (uint64_t page = 0; page < pages; page++) {
		uint32_t value = (uint32_t)(page * (PAGE / 4)) * PATTERN;
		for (int i = 0; i < PAGE / 4; i++, value += PATTERN)
			words_of_page[i] = value;
		if (write(fd, words_of_page, PAGE) != PAGE)
			goto failed;
	}
	if (fsync(fd) < 0 || do_drop(0, NULL) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		goto failed;
	for (uint64_t page = 0; page < pages; page++) {
		if (read(fd, words_of_page, PAGE) != PAGE)
			goto failed;
		wrong += count_wrong(words_of_page, PAGE, page * PAGE);
	}
	close(fd);
	say("write bytes=%llu wrong=%llu", (unsigned long long)(pages * PAGE),
	    (unsigned long long)wrong);
	return 0;
failed:;
	int error = errno == 0 ? EIO : errno;
	close(fd);
	return error;
}
