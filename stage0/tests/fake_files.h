/* What the parts of the fake share. */
#ifndef FAKE_FILES_H
#define FAKE_FILES_H

#include "fake_sys.h"

enum { FILES = 64 };

/* An open file. */
struct open_file {
	enum file_kind {
		CLOSED,
		FILE_NODE,
		FILE_NEWS_READ,
		FILE_LIFE_READ,
		FILE_WRITE,
		FILE_SIGNALS,
		FILE_UEVENTS
	} kind;
	struct node *node;
	size_t offset;
	bool writable;
	unsigned entry; /* of getdents */
};

extern struct open_file files[FILES];

/* Counts a call; negative when it is the one to fail. */
int fake_count(const char *call, const char *object);

#define COUNT(call, object)                                                                        \
	do {                                                                                       \
		int failure = fake_count(call, object);                                            \
		if (failure < 0)                                                                   \
			return failure;                                                            \
	} while (0)

/* A new descriptor, or -EMFILE. */
int fake_new_file(enum file_kind kind, struct node *node);

/* NULL when it is not open. */
struct open_file *fake_file(int fd);

/* What messages call a descriptor. */
const char *fake_name(int fd, char into[4096]);

/* Reads what is no file of the tree. */
ssize_t fake_read_queue(struct open_file *file, void *into, size_t size);

/* A uevent arrives. */
void fake_uevent(void);

#endif
