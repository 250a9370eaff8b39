/*
 * Booting an OSTree deployment: a folder deep in the image becomes the root, with the image itself
 * on /sysroot and the state root's /var.
 */
#ifndef STAGE0_OSTREE_H
#define STAGE0_OSTREE_H

#include <stdbool.h>

#include "files.h"

/* Paths below the root of the image, each with its leading slash. */
struct deployment {
	char root[PATH_SIZE]; /* "/ostree/deploy/debian/deploy/0123….0" */
	char var[PATH_SIZE];  /* "/ostree/deploy/debian/var" */
	bool bind_boot;	      /* /boot of the image is that of the deployment */
};

/*
 * Finds the deployment that a link names, as `ostree=` of the kernel command line does, below
 * `image`. Each way in which it can be wrong has a message of its own.
 */
int ostree_resolve(struct deployment *deployment, const char *image, const char *link);

/* In the root of the image: mounts what the deployment needs and makes it the root. */
int ostree_enter(const struct deployment *deployment);

#endif
