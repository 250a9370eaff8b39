/* Processes of our own, which stay when the distribution's init has taken over. */
#ifndef STAGE0_CHILDREN_H
#define STAGE0_CHILDREN_H

#include <sys/types.h>

/* Where the program's name is, as main() got it: children overwrite its first letter. */
void children_named_at(char *name);

/*
 * Starts a process that runs `run` and then ends with code 0.
 *
 * It is not killed at shutdown (systemd spares what has a '@' in front of its name), nor when memory
 * runs out, and does not wait for the very device that it serves when it needs memory.
 *
 * @param name At most 15 bytes, for ps(1).
 * @return Its id, or a negative errno.
 */
pid_t child_start(const char *name, void (*run)(void *context), void *context);

/* Ends a child and waits until it is gone; 0 is none. */
void child_end(pid_t pid);

#endif
