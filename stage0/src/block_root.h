/* The served image, read-only, under a writable layer in memory. */
#ifndef STAGE0_BLOCK_ROOT_H
#define STAGE0_BLOCK_ROOT_H

#include "settings.h"

/* Where the root of the system to boot is put together. */
#define NEW_ROOT "/newroot"

/* Refuses before anybody waits for a host: 0 when the kernel has what block_root_mount() mounts. */
int block_root_check(const struct settings *settings);

/*
 * Makes all that does not need the device: memory on /upper, folders, and in the root of the new
 * system what the virtual file systems are mounted on, if wanted.
 */
int block_root_prepare(bool mount_points);

/* Mounts the device on /lower, and it with /upper on NEW_ROOT. */
int block_root_mount(const struct settings *settings, const char *device);

#endif
