/* The root of the system to boot, once it is ours: what it must not have, what it is asked to start. */
#ifndef STAGE0_SYSTEM_H
#define STAGE0_SYSTEM_H

#include <stdbool.h>

#include "settings.h"

/* Removes /etc/fstab, whose disks are not there; fine when there is none. */
int system_remove_fstab(void);

/* Asks systemd for units of the image that nothing else would start. */
int system_request_units(const struct settings *settings);

/* Path of the init to run; -ENOENT when the image has none. */
int system_find_init(const char **path);

#endif
