/*
 * The parts of the test guest: a first process that is told over the console what to do, and says
 * what it finds. See main.c for the commands.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum { MOST_WORDS = 40 };

/* Writes one line, "guest: " in front, at once: lines of several threads are never mixed. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A command. Says what it found; returns 0, or an errno that ends it. */
typedef int (*command)(int count, char **words);

/* facts.c */
int do_cat(int count, char **words);
int do_list(int count, char **words);
int do_stat(int count, char **words);
int do_link(int count, char **words);
int do_sha(int count, char **words);
int do_processes(int count, char **words);
int do_log(int count, char **words);
int do_device(int count, char **words);

/* work.c */
int do_readers(int count, char **words);
int do_read(int count, char **words);
int do_sequential(int count, char **words);
int do_write(int count, char **words);
int do_drop(int count, char **words);

/* sha256.c */
struct sha256 {
	uint32_t state[8];
	uint64_t size;
	uint8_t block[64];
};
void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const uint8_t *bytes, size_t size);
void sha256_end(struct sha256 *hash, char hex[65]);

/* Milliseconds since boot. */
uint64_t now_ms(void);

/* Reads a small file as text; "" when it cannot be read. */
void read_text(const char *path, char *into, size_t size);

#endif
