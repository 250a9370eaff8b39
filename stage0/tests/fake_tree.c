#include "fake_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *why, const char *what)
{
	fprintf(stderr, "fake tree: %s: %s\n", why, what);
	abort();
}

struct node *node_new(struct filesystem *filesystem, mode_t mode, const char *name)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node || strlen(name) >= FAKE_NAME)
		die("cannot make", name);
	strcpy(node->name, name);
	node->mode = mode;
	node->filesystem = filesystem;
	return node;
}

void node_set_text(struct node *node, const char *text, size_t size)
{
	free(node->text);
	node->text = malloc(size + 1);
	if (!node->text)
		die("no memory", node->name);
	memcpy(node->text, text, size);
	node->text[size] = '\0';
	node->size = size;
}

struct node *node_add(struct node *folder, mode_t mode, const char *name, const char *text)
{
	struct node *node = node_new(folder->filesystem, mode, name);

	if (folder->count == FAKE_ENTRIES)
		die("too many entries", folder->name);
	node->parent = folder;
	folder->entries[folder->count++] = node;
	if (text)
		node_set_text(node, text, strlen(text));
	return node;
}

struct node *node_child(const struct node *folder, const char *name)
{
	for (unsigned i = 0; i < folder->count; i++) {
		if (strcmp(folder->entries[i]->name, name) == 0)
			return folder->entries[i];
	}
	return NULL;
}

/* It stays in memory: somebody may have it open. */
int node_remove(struct node *node)
{
	struct node *folder = node->parent;

	if (!folder || node->mounted)
		return -EBUSY;
	for (unsigned i = 0; i < folder->count; i++) {
		if (folder->entries[i] != node)
			continue;
		memmove(&folder->entries[i], &folder->entries[i + 1],
			(folder->count - i - 1) * sizeof(folder->entries[0]));
		folder->count--;
		return 0;
	}
	return -ENOENT;
}

struct node *tree_make(struct node *folder, const char *path, const char *text)
{
	char name[FAKE_NAME];
	struct node *next;

	for (;;) {
		size_t length = strcspn(path, "/");

		if (length >= sizeof(name))
			die("name too long", path);
		memcpy(name, path, length);
		name[length] = '\0';
		path += length;
		if (!*path)
			break;
		path++;
		next = node_child(folder, name);
		folder = next ? next : node_add(folder, S_IFDIR | 0755, name, NULL);
	}
	if (!text) {
		next = node_child(folder, name);
		return next ? next : node_add(folder, S_IFDIR | 0755, name, NULL);
	}
	if (strncmp(text, "-> ", 3) == 0)
		return node_add(folder, S_IFLNK | 0777, name, text + 3);
	return node_add(folder, S_IFREG | 0644, name, text);
}

struct node *tree_top(struct node *node)
{
	while (node->mounted)
		node = node->mounted;
	return node;
}

static struct node *up(const struct place *place, struct node *node)
{
	if (node == place->root)
		return node;
	while (!node->parent && node->covers && node != place->root)
		node = node->covers;
	if (node == place->root || !node->parent)
		return node;
	return node->parent;
}

static struct node *find(const struct place *place, struct node *from, const char *path,
			 unsigned how, char last[FAKE_NAME], int *error, unsigned links)
{
	struct node *at = *path == '/' ? place->root : from;

	if (links > 40) {
		*error = -ELOOP;
		return NULL;
	}
	for (;;) {
		char name[FAKE_NAME];
		size_t length;
		struct node *next;
		bool end;

		path += strspn(path, "/");
		length = strcspn(path, "/");
		if (length == 0)
			return at;
		if (!S_ISDIR(at->mode)) {
			*error = -ENOTDIR;
			return NULL;
		}
		if (length >= FAKE_NAME) {
			*error = -ENAMETOOLONG;
			return NULL;
		}
		memcpy(name, path, length);
		name[length] = '\0';
		path += length;
		end = path[strspn(path, "/")] == '\0';
		if (end && (how & PARENT)) {
			strcpy(last, name);
			return at;
		}
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			at = up(place, at);
			continue;
		}
		next = node_child(at, name);
		if (!next) {
			*error = -ENOENT;
			return NULL;
		}
		if (S_ISLNK(next->mode) && (!end || (how & FOLLOW))) {
			next = find(place, at, next->text, FOLLOW, NULL, error, links + 1);
			if (!next)
				return NULL;
		}
		at = tree_top(next);
	}
}

struct node *tree_find(const struct place *place, const char *path, unsigned how,
		       char last[FAKE_NAME], int *error)
{
	*error = 0;
	return find(place, place->current, path, how, last, error, 0);
}

void tree_path(const struct place *place, const struct node *node, char *into, size_t size)
{
	char below[4096] = "", next[4096];

	while (node != place->root) {
		if (!node->parent) {
			if (!node->covers)
				break;
			node = node->covers;
			continue;
		}
		if (snprintf(next, sizeof(next), "/%s%s", node->name, below) >= (int)sizeof(next))
			die("path too long", node->name);
		strcpy(below, next);
		node = node->parent;
	}
	snprintf(into, size, "%s", below[0] ? below : "/");
}
