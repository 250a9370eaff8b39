/* Loading the kernel's modules, in the order the host states. */
#ifndef STAGE0_MODULES_H
#define STAGE0_MODULES_H

/*
 * Loads all that the lists in /etc/modules-load.d name, files in the order of their names, and what
 * modules.dep says that they need before them. A module the kernel has already is fine; whatever
 * else goes wrong ends it.
 *
 * @return How many were loaded.
 */
int modules_load(void);

#endif
