/* The root of the system to boot, once it is ours: what it must not have, what it is asked to start. */
#ifndef STAGE0_SYSTEM_H
#define STAGE0_SYSTEM_H

#include <stdbool.h>

#include "settings.h"

/* Removes /etc/fstab, whose disks are not there; fine when there is none. */
int system_remove_fstab(void);

/*
 * Asks systemd for units that nothing else would start, by links in /run: those of a splash screen,
 * and a getty on the serial console. It passes over links to units that the image does not have.
 */
int system_request_units(const struct settings *settings);

/*
 * Becomes the init of the system, the first of those that are there. Its path is put into argv[0].
 *
 * @return Never but when it fails: -ENOENT when there is none.
 */
int system_exec_init(char *argv[], char *envp[]);

#endif
