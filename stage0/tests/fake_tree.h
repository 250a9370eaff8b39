/* Files, folders, links and mounts in memory, as a process of Linux would find them. */
#ifndef FAKE_TREE_H
#define FAKE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

enum { FAKE_NAME = 128, FAKE_ENTRIES = 64 };

struct node;

/* A file system: decides what becomes of a new folder, and of what is written to a file. */
struct filesystem {
	unsigned device; /* st_dev */
	bool read_only;
	bool frozen; /* files and folders of its own making only, as in proc and sysfs */
	void (*made_folder)(struct node *folder);
	int (*written)(struct node *file);
};

struct node {
	char name[FAKE_NAME];
	mode_t mode;
	struct filesystem *filesystem;
	struct node *parent;
	struct node *entries[FAKE_ENTRIES];
	unsigned count;
	char *text; /* of a file or link */
	size_t size;
	bool opaque; /* has the attribute by which overlay hides what is below */
	struct node *mounted; /* what lies on top of it */
	struct node *covers;  /* of the root of a mount: what it lies on */
};

struct node *node_new(struct filesystem *filesystem, mode_t mode, const char *name);
struct node *node_add(struct node *folder, mode_t mode, const char *name, const char *text);
struct node *node_child(const struct node *folder, const char *name);
int node_remove(struct node *node);
void node_set_text(struct node *node, const char *text, size_t size);

/* Makes `path` below `folder` with all folders before it; a text beginning "-> " makes a link. */
struct node *tree_make(struct node *folder, const char *path, const char *text);

/* Where a process is. */
struct place {
	struct node *root;
	struct node *current;
};

enum { FOLLOW = 1, PARENT = 2 };

/*
 * Resolves a path: a node, or a negative errno in `error`. With PARENT the folder of its last
 * component, whose name goes to `last`; without FOLLOW a link at the end is what is found.
 */
struct node *tree_find(const struct place *place, const char *path, unsigned how,
		       char last[FAKE_NAME], int *error);

/* The path from `place->root` as the kernel shows it. */
void tree_path(const struct place *place, const struct node *node, char *into, size_t size);

/* What is on top of a node. */
struct node *tree_top(struct node *node);

#endif
